$(eval $(call library,params,base conf,))
