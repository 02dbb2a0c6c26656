$(eval $(call library,directory,base ipc kv mail,))
