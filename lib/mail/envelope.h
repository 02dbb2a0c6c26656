/*
 * The queue's envelope: who sent a message to whom and how it came. It travels in front of the body
 * in spool segments, in the queue database and between programs, always in this one form:
 *
 *	u8 version (1) | rows of {varint tag, varint length, bytes}
 *
 * Unknown tags are skipped; a recipient is a row of rows. Values that are default aren't written.
 */
#ifndef MAIL_ENVELOPE_H
#define MAIL_ENVELOPE_H

#include "base/str.h"
#include "mail/trace.h"

#define ENVELOPE_RECIPIENTS_MAX 100000
#define ENVELOPE_ATTRIBUTES_MAX 1000
#define ENVELOPE_MAX            (64 * 1024 * 1024) /* octets */

enum {
	NOTIFY_UNSET   = 0, /* the default: as NOTIFY=FAILURE,DELAY */
	NOTIFY_NEVER   = 1,
	NOTIFY_SUCCESS = 2,
	NOTIFY_FAILURE = 4,
	NOTIFY_DELAY   = 8,
};
enum dsn_ret { DSN_RET_UNSET, DSN_RET_FULL, DSN_RET_HDRS };
enum body_kind { BODY_7BIT, BODY_8BITMIME, BODY_BINARYMIME };
enum urgency { URGENCY_NORMAL, URGENCY_NON_URGENT, URGENCY_URGENT };

/* Strings are never NULL after parsing; "" is absent. */
struct recipient {
	const char *address; /* canonical spelling (address_put) */
	const char *orcpt;   /* "rfc822;user@example.org" as in the command, xtext decoded */
	unsigned notify;     /* NOTIFY_*; NOTIFY_NEVER stands alone */
};
struct attribute {
	const char *name, *value;
};

struct envelope {
	struct trace_id trace;
	int64_t arrival_us; /* wall clock */
	const char *sender; /* "" is the null sender <> */
	struct recipient *recipients;
	size_t nrecipient;
	const char *envid; /* DSN ENVID, xtext decoded */
	enum dsn_ret ret;
	enum body_kind body;
	bool smtputf8;
	bool hold;
	enum urgency urgency;
	const char *channel;     /* source channel: "smtp", "submission", "lmtp", "local" */
	const char *auth_user;   /* who authenticated */
	const char *remote_host; /* name from the reverse look-up */
	const char *remote_ip;
	const char *helo;
	const char *protocol; /* "ESMTPSA" ... (mail/received.h) */
	struct attribute *attributes;
	size_t nattribute;
};

/* NULL strings are written as absent. */
void envelope_put(struct str *out, const struct envelope *e);
/* Strings and arrays are the pool's. 0, or -1 when it is damaged or past a limit. */
int envelope_parse(struct span blob, struct pool *pool, struct envelope *envelope_r);

/* The value of an attribute, NULL when there is none. */
const char *envelope_attribute(const struct envelope *e, const char *name);

/* NOTIFY=SUCCESS,FAILURE in a command: parse (-1: refuse with 501) and the text for relaying. */
int notify_parse(struct span text, unsigned *notify_r);
void notify_put(struct str *out, unsigned notify);
/* Should a report of this kind (one of NOTIFY_SUCCESS, _FAILURE, _DELAY) be made? */
static inline bool notify_wants(unsigned notify, unsigned kind)
{
	return ((notify ? notify : (unsigned)(NOTIFY_FAILURE | NOTIFY_DELAY)) & kind) != 0;
}

#endif
