$(call unit_tests,lib/params,params,)
