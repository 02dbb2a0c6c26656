$(call unit_tests,lib/pop3,pop3,)
