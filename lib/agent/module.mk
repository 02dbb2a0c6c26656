$(eval $(call library,agent,service ipc queue mail,))
