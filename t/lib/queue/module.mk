$(call unit_tests,lib/queue,queue,)
