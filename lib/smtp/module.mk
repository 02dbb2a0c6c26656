$(eval $(call library,smtp,base mail,))
