$(eval $(call library,mail,base,))
