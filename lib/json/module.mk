$(eval $(call library,json,base,-ljansson))
