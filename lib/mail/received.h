/*
 * Trace fields (RFC 5321 4.4): Received with the TLS and authentication that the session had, in
 * the words of RFC 3848 and 6531, and Return-Path.
 */
#ifndef MAIL_RECEIVED_H
#define MAIL_RECEIVED_H

#include "mail/date.h"

/* More Received fields than this is a loop (RFC 5321 6.3). */
#define RECEIVED_HOPS_MAX 100

enum {
	RECEIVED_ESMTP = 1, /* EHLO was said */
	RECEIVED_TLS   = 2,
	RECEIVED_AUTH  = 4,
	RECEIVED_LMTP  = 8,
	RECEIVED_UTF8  = 16, /* SMTPUTF8 on this transaction */
	RECEIVED_LOCAL = 32, /* no protocol: sendmail */
};

/* Strings may be NULL or "" for absent. What a client chose is cleaned, and can't break the
 * field. */
struct received {
	unsigned flags;
	const char *helo;
	const char *host; /* reverse look-up, verified; absent: "unknown" */
	const char *ip;   /* "192.0.2.1", "2001:db8::1" */
	const char *by;   /* our name */
	const char *tls;  /* "TLSv1.3 with cipher TLS_AES_256_GCM_SHA384" */
	const char *auth; /* user name, when it may be shown */
	const char *id;   /* trace id */
	const char *for_address; /* only with one recipient */
	struct date date;
};

/* "SMTP", "ESMTP", "ESMTPSA", "UTF8SMTPS", "LMTPA" ... a literal. */
const char *received_with(unsigned flags);
/* "Received: ...CRLF", folded. */
void received_put(struct str *out, const struct received *r);
/* "Return-Path: <a@b>CRLF"; "" gives <>. sender is the canonical spelling. */
void return_path_put(struct str *out, const char *sender);
/* Received fields in the header of the message. */
unsigned received_count(struct span message);

#endif
