$(call unit_tests,lib/store,store,)

# Not run by make check: build/t/lib/store/bench_store [FOLDER]
$(eval $(call link,$(O)/t/lib/store/bench_store,$(O)/t/lib/store/bench_store.o,store,))
