$(eval $(call library,ipc,base os io,))
