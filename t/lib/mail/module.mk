$(call unit_tests,lib/mail,mail,)

# What the comparison with Python's email package runs.
TEST_TOOLS += $(O)/t/lib/mail/describe
$(eval $(call link,$(O)/t/lib/mail/describe,$(O)/t/lib/mail/describe.o,mail,))
