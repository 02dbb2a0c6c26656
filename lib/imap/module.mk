$(eval $(call library,imap,base mail,))
