/* What we can do, and in which phase of a session it is said. One table for the login program
 * and imapd. */
#ifndef IMAP_CAPABILITY_H
#define IMAP_CAPABILITY_H

#include "base/str.h"

enum imap_phase {
	IMAP_PHASE_PLAIN = 1, /* not logged in, no TLS yet */
	IMAP_PHASE_TLS = 2,   /* not logged in, TLS or a connection that needs none */
	IMAP_PHASE_AUTH = 4,  /* logged in */
};

/* "IMAP4rev1 LITERAL+ ..." of the phase. mechanisms: "PLAIN SCRAM-SHA-256 ...", said as AUTH=...
 * before login; NULL or "" none. starttls and login tell whether STARTTLS and LOGIN can be used
 * now (LOGINDISABLED is said when not); ignored when logged in. */
void imap_put_capabilities(
	struct str *out, enum imap_phase phase, const char *mechanisms, bool starttls, bool login);

#endif
