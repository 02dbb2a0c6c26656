$(eval $(call library,io,base os,-lcares))
