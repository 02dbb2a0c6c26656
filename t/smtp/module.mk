# Deliveries by hand: jobs from standard input, outcomes to standard output.
TEST_TOOLS += $(O)/t/smtp/deliver
$(eval $(call link,$(O)/t/smtp/deliver,$(patsubst %,$(O)/qmgr/smtp/%.o,agent deliver idle idn link target transaction) \
	$(O)/t/smtp/deliver.o,agent service queue smtp mail tls io ipc params conf os base,))
$(eval $(call program_fuzz,smtp/fuzz_smtp_agent,$(patsubst %,qmgr/smtp/%,agent deliver idle idn transaction) lib/params/smtp,smtp mail tls io conf base os,))
