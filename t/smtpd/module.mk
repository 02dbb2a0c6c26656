# Unit tests of smtpd's sessions, without a service around them.
smtpd_parts := $(filter-out $(O)/smtpd/main.o,$(smtpd_prog_obj))
$(foreach t,$(patsubst t/smtpd/%.c,%,$(wildcard t/smtpd/test_*.c)),\
	$(eval UNIT_TESTS += $(O)/t/smtpd/$(t))\
	$(eval $(call link,$(O)/t/smtpd/$(t),$(O)/t/smtpd/$(t).o $(smtpd_parts),$(smtpd_prog_libs),-lcmocka)))
