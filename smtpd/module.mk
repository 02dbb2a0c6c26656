$(eval $(call program,smtpd,smtpd,service auth route directory queue smtp mail tls io ipc params conf os base,))
