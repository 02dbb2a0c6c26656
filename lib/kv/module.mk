$(eval $(call library,kv,base os io,-ldb-5.3))
