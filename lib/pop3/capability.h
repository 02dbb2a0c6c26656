/* The CAPA list (RFC 2449), the same before and after login but for SASL, USER and STLS. */
#ifndef POP3_CAPABILITY_H
#define POP3_CAPABILITY_H

#include "base/str.h"

/* mechanisms "" or NULL: no SASL line. Adds the whole multi-line reply. */
void pop3_put_capabilities(struct str *out, const char *mechanisms, bool user, bool stls);

#endif
