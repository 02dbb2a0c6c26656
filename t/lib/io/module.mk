$(call unit_tests,lib/io,io,)
$(eval $(call link,$(O)/t/lib/io/bench_fiber,$(O)/t/lib/io/bench_fiber.o,io,))
