$(eval $(call library,pop3,base,))
