$(eval $(call library,base,,))
