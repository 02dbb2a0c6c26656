$(call unit_tests,lib/auth,auth,)
