$(call unit_tests,lib/smtp,smtp,)
