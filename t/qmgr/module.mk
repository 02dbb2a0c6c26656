# Unit tests of qmgr's parts, without a service around them.
qmgr_parts := $(filter-out $(O)/qmgr/main.o,$(qmgr_prog_obj))
$(foreach t,$(patsubst t/qmgr/%.c,%,$(wildcard t/qmgr/test_*.c)),\
	$(eval UNIT_TESTS += $(O)/t/qmgr/$(t))\
	$(eval $(call link,$(O)/t/qmgr/$(t),$(O)/t/qmgr/$(t).o $(qmgr_parts),$(qmgr_prog_libs),-lcmocka)))
