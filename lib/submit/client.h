/*
 * Handing a message to the server of this machine over run_dir/submit: SMTP with an smtpd in mode
 * local, which knows the peer's uid from the kernel. Used by sendmail and pickup; works in a fiber
 * and without one.
 */
#ifndef SUBMIT_CLIENT_H
#define SUBMIT_CLIENT_H

#include "base/array.h"
#include "base/pool.h"
#include "mail/envelope.h"

enum handed {
	HANDED_TAKEN,   /* 250: it is on the medium */
	HANDED_LATER,   /* no server, 4xx, or a broken connection: try again */
	HANDED_REFUSED, /* 5xx */
};

struct submit_recipient {
	const char *address;
	enum handed fate;  /* set by submit_send */
	const char *reply; /* the server's line about it, when it was not taken; in the pool */
};

struct submit_message {
	const char *sender; /* canonical; "" is null */
	const char *envid;  /* "" none */
	const char *auth;   /* who handed it to us (smtpd/local.h), as an address; NULL: we say it ourselves */
	enum dsn_ret ret;
	unsigned notify;  /* NOTIFY_* for all recipients */
	struct span body; /* any line ends; leaves with CRLF */
	struct submit_recipient *recipients;
	size_t nrecipient;
};

/* Recipients of one transaction; more go in several. */
#define SUBMIT_RECIPIENTS_MAX 500

/* Sets every recipient's fate. ask_ms: limit of each wait up to the message; nothing has been handed over by then, so that
 * who gives up loses and repeats nothing. ms: limit of each wait from then on. */
void submit_send(struct pool *pool, const char *socket_path, int64_t ask_ms, int64_t ms,
	struct submit_message *m);

#endif
