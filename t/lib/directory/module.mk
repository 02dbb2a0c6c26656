$(call unit_tests,lib/directory,directory,)
