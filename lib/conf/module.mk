$(eval $(call library,conf,base os,))
