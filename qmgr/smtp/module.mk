$(eval $(call program,smtp,qmgr/smtp,agent service queue smtp mail tls io ipc params conf os base,))
