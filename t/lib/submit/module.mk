$(call unit_tests,lib/submit,submit,)
