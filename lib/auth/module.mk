$(eval $(call library,auth,base conf ipc directory,))
