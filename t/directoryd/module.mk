# Unit tests of directoryd's parts that need neither database nor sockets.
directoryd_parts := $(patsubst %,$(O)/master/directoryd/%.o,names tickets scram delays over_quota)
$(foreach t,$(patsubst t/directoryd/%.c,%,$(wildcard t/directoryd/test_*.c)),\
	$(eval UNIT_TESTS += $(O)/t/directoryd/$(t))\
	$(eval $(call link,$(O)/t/directoryd/$(t),$(O)/t/directoryd/$(t).o $(directoryd_parts),base os io ipc,-lcmocka -lcrypto)))
$(eval $(call program_fuzz,directoryd/fuzz_sasl,$(patsubst %,master/directoryd/%,names sasl scram),base os ipc,-lsasl2 -lcrypto))
$(eval $(call program_fuzz,directoryd/fuzz_directory,$(patsubst %,master/directoryd/%,names tickets),base os,))
