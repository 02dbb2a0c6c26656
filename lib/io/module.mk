$(eval $(call library,io,base os,-lssl -lcrypto -lcares))
