$(call unit_tests,lib/imap,imap mail base,)
