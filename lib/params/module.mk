$(eval $(call library,params,conf,))
