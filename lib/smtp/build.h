/* Commands as a client writes them, with no more parameters than the server offers. */
#ifndef SMTP_BUILD_H
#define SMTP_BUILD_H

#include "base/str.h"
#include "mail/envelope.h"
#include "smtp/extension.h"

/* What of the envelope goes into MAIL. */
struct smtp_mail_out {
	const char *sender;    /* canonical spelling; "" is <> */
	uint64_t size;         /* SIZE=; 0: not said */
	bool eight_bit;        /* BODY=8BITMIME */
	bool smtputf8;
	enum dsn_ret ret;
	const char *envid;     /* decoded */
	const char *auth;      /* AUTH=; NULL: none */
};
/* Appends the line with CRLF. -1, and nothing appended, when an address holds what can't be sent
 * (CR, LF, NUL, or octets past 127 without SMTPUTF8). extensions: SMTP_EXT_* of the server. */
int smtp_put_mail(struct str *out, const struct smtp_mail_out *mail, unsigned extensions);
/* address: where it goes now. dsn of RFC 3461: ORCPT is made from the address when the client gave
 * none and the server does DSN. */
int smtp_put_rcpt(struct str *out, const char *address, const struct recipient *r,
	unsigned extensions, bool smtputf8);

#endif
