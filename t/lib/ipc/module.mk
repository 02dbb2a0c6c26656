$(call unit_tests,lib/ipc,ipc,)
