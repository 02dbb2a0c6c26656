$(call unit_tests,lib/io,io tls,)
$(eval $(call link,$(O)/t/lib/io/bench_fiber,$(O)/t/lib/io/bench_fiber.o,io,))
