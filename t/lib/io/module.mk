$(call unit_tests,lib/io,io,)
