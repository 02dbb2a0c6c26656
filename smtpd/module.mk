$(eval $(call program,smtpd,smtpd,service auth route directory queue smtp mail io ipc params conf os base,))
