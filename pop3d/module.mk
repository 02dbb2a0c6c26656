$(eval $(call program,pop3d,pop3d,service store auth login pop3,))
$(eval $(call program,pop3_login,pop3d/login,login pop3 auth service tls,))
