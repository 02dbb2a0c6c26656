$(eval $(call program,imap_login,imapd/login,login imap auth service tls,))
$(eval $(call program,imapd,imapd,login auth store imap service directory mail params,))
