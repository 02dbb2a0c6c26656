$(eval $(call program,thurn,admin,base os json io conf params mail ipc directory queue store service,-lssl -lcrypto))
