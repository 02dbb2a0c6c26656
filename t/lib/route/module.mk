$(call unit_tests,lib/route,route,)
