$(call unit_tests,lib/agent,agent,)
