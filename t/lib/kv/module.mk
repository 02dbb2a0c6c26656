$(call unit_tests,lib/kv,kv,)
