$(eval $(call library,service,base os io conf params ipc,-lseccomp))
