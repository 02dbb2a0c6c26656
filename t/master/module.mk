TEST_TOOLS += $(O)/t/master/echo
$(eval $(call link,$(O)/t/master/echo,$(O)/t/master/echo.o,service,))
