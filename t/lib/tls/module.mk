$(call unit_tests,lib/tls,tls,)
