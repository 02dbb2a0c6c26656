$(eval $(call program,bounce,qmgr/bounce,agent service mail queue params,))
