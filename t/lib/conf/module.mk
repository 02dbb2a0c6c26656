$(call unit_tests,lib/conf,params,)
