$(eval $(call library,store,base os io mail params,-lnettle))
