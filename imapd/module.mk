$(eval $(call program,imap_login,imapd/login,login imap auth service,))
$(eval $(call program,imapd,imapd,login auth store imap service directory mail params,))
