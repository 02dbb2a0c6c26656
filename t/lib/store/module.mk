$(call unit_tests,lib/store,store,)
