$(eval $(call program,imap_login,imapd/login,login imap auth service,))
