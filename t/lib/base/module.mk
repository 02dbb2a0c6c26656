$(call unit_tests,lib/base,base,)
