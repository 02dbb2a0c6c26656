$(eval $(call library,tls,base io,-lssl -lcrypto))
