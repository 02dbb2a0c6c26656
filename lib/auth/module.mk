$(eval $(call library,auth,base ipc directory,))
