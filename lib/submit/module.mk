$(eval $(call library,submit,base io mail smtp,))
