# Deliveries by hand: jobs from standard input, outcomes to standard output.
TEST_TOOLS += $(O)/t/smtp/deliver
$(eval $(call link,$(O)/t/smtp/deliver,$(patsubst %,$(O)/qmgr/smtp/%.o,agent deliver idle idn link target transaction) \
	$(O)/t/smtp/deliver.o,agent service queue smtp mail io ipc params conf os base,))
