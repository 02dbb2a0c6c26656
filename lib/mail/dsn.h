/*
 * Delivery status notifications: writing the report (RFC 3461 6, 3462, 3464; 6533 for UTF-8
 * addresses) and xtext (RFC 3461 4). The caller decides whether one is due and never makes one for
 * the null sender.
 */
#ifndef MAIL_DSN_H
#define MAIL_DSN_H

#include "base/str.h"
#include "mail/outcome.h"

/* Of a full message at most this much is returned; a longer one comes back as its header. */
#define DSN_RETURN_MAX (1024 * 1024)

enum dsn_kind { DSN_FAILED, DSN_DELAYED, DSN_DELIVERED, DSN_RELAYED, DSN_EXPANDED };

/* Strings may be NULL or "" for absent. */
struct dsn_row {
	const char *final_recipient; /* the address */
	const char *original;        /* ORCPT, decoded: "rfc822;a@b" */
	enum dsn_kind action;
	struct outcome outcome;
	int64_t last_attempt_s;     /* 0 unknown */
	int64_t will_retry_until_s; /* 0 none */
};

struct dsn {
	enum dsn_kind kind;        /* of the report as a whole: subject and text */
	const char *reporting_mta; /* our host name */
	const char *from;          /* "mailer-daemon@host" */
	const char *to;            /* the sender that is told */
	const char *message_id;    /* for the report, with brackets */
	const char *boundary;      /* must not occur in the message: make it from a trace id */
	const char *envid;         /* as decoded */
	const char *queue_id;      /* trace id of the message, for the text */
	int64_t now_s, arrival_s;
	const struct dsn_row *rows;
	size_t nrow;
	struct span message;  /* what is returned: all, or at least the header */
	bool headers_only;    /* RET=HDRS, and always for anything but DSN_FAILED */
	bool utf8;            /* the message was SMTPUTF8 */
};

/* Appends the whole report with CRLF lines, ready for the queue. It is 8-bit when the returned text
 * is, and needs SMTPUTF8 when an address in it isn't ASCII. */
void dsn_put(struct str *out, const struct dsn *d);

/* xtext: "+2B" for '+'. Parsing is strict and takes no control octets: -1 when it is none, out
 * unchanged. */
void xtext_put(struct str *out, struct span text);
int xtext_parse(struct span text, struct str *out);

#endif
