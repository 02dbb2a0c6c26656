$(eval $(call library,os,base,))
