#include "pop3/capability.h"

void pop3_put_capabilities(struct str *out, const char *mechanisms, bool user, bool stls)
{
	str_puts(out, "+OK Capability list follows\r\n"
		      "TOP\r\nUIDL\r\nRESP-CODES\r\nAUTH-RESP-CODE\r\nPIPELINING\r\n"
		      "EXPIRE NEVER\r\n");
	if (user)
		str_puts(out, "USER\r\n");
	if (mechanisms && *mechanisms)
		str_printf(out, "SASL %s\r\n", mechanisms);
	if (stls)
		str_puts(out, "STLS\r\n");
	str_puts(out, "IMPLEMENTATION Thurn\r\n.\r\n");
}
