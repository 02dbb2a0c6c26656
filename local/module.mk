$(eval $(call program,local,local,agent service store directory mail queue params,))
