$(eval $(call program,smtp,qmgr/smtp,agent service queue smtp mail io ipc params conf os base,))
