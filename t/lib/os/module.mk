$(call unit_tests,lib/os,os,)
