$(eval $(call library,route,base mail directory,))
