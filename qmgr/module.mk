$(eval $(call program,qmgr,qmgr,service ipc queue route kv agent mail params,))
