$(eval $(call library,login,service auth io ipc,))
