$(eval $(call library,queue,base os io ipc mail kv,))
