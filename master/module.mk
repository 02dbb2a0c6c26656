$(eval $(call program,master,master,service,))
