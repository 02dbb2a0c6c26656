$(eval $(call program,pickup,qmgr/pickup,base os io conf params mail smtp submit queue ipc service,))
