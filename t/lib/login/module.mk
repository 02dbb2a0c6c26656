$(call unit_tests,lib/login,login,)
