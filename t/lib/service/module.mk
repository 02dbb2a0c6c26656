$(call unit_tests,lib/service,service,)
