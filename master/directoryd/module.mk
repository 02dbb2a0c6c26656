$(eval $(call program,directoryd,master/directoryd,service directory kv mail,-lsasl2 -lcrypt -lcrypto))
