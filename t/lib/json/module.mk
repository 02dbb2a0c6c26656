$(call unit_tests,lib/json,json,)
