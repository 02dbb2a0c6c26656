$(eval $(call program,sendmail,admin/sendmail,base os io conf params mail smtp submit ipc directory queue,))
