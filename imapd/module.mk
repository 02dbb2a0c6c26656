$(eval $(call program,imapd,imapd,login auth store imap service directory mail params,))
