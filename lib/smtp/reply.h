/*
 * Replies, both ways (RFC 5321 4.2, RFC 2034): written by servers, read by clients.
 */
#ifndef SMTP_REPLY_H
#define SMTP_REPLY_H

#include "base/pool.h"
#include "base/str.h"
#include "smtp/extension.h"

/* Octets of text on one line that is written (RFC 5321 4.5.3.1.5: 512 with everything). */
#define SMTP_REPLY_TEXT_MAX 490
/* What a client takes: octets of a line, lines of a reply, octets of text that are kept of it. */
#define SMTP_REPLY_LINE_MAX  4096
#define SMTP_REPLY_LINES_MAX 200
#define SMTP_REPLY_KEEP_MAX  8192

/* Appends a reply. status: "5.1.1" put in front of every line, NULL for none (greeting, EHLO, 334).
 * A '\n' in text starts another line; other control octets become '?', long lines are cut. */
void smtp_reply_put(struct str *out, unsigned code, const char *status, struct span text);

/* A reply that is being read. Set .text to STR_IN(pool) or STR_INIT, then feed lines. */
struct smtp_reply {
	unsigned code;    /* 100-599 */
	unsigned lines;
	struct str text;  /* the lines' texts, joined by '\n', cut at SMTP_REPLY_KEEP_MAX */
	char status[12];  /* enhanced status of the first line that has one: "5.1.1"; "" none */
};
void smtp_reply_reset(struct smtp_reply *r);
/* line: without its line end. 1 it was the last line, 0 more follow, -1 this is no SMTP reply. */
int smtp_reply_add(struct smtp_reply *r, struct span line);
static inline unsigned smtp_reply_class(const struct smtp_reply *r)
{
	return r->code / 100;
}
/* The reply as one line for outcomes and logs: "550 5.1.1 No such user here". In the pool. Cut: each recipient has its own, in
 * the queue's rows, in memory and in reports. */
#define SMTP_REPLY_SAY_MAX 1000
const char *smtp_reply_line(struct pool *pool, const struct smtp_reply *r);

/* What EHLO or LHLO told. */
struct smtp_capabilities {
	unsigned extensions;   /* SMTP_EXT_* */
	uint64_t size_limit;   /* 0: none, or not said */
	struct span auth;      /* mechanisms, as written, in the reply's text */
};
void smtp_capabilities_parse(const struct smtp_reply *reply, struct smtp_capabilities *caps_r);

/* "d.d{1,3}.d{1,3}" at the start of text, followed by a space or the end: its length, else 0. */
size_t smtp_status_length(struct span text);

#endif
