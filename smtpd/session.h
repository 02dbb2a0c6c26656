/*
 * One connection: its state, its transaction, and how a command answers. A command is one row of
 * the table in session.c; the dispatcher has checked syntax, mode, state, TLS and login before
 * run() is called.
 */
#ifndef SMTPD_SESSION_H
#define SMTPD_SESSION_H

#include "base/array.h"
#include "smtp/data.h"
#include "smtpd/smtpd.h"

enum session_state {
	ST_START = 1, /* nobody has said hello */
	ST_READY = 2,
	ST_MAIL  = 4, /* MAIL, no recipient yet */
	ST_RCPT  = 8,
	ST_BDAT  = 16, /* between chunks */
	ST_ANY   = 31,
};

/* From MAIL to the reply to the message. */
struct transaction {
	struct pool *pool;
	struct smtp_mail mail;
	const char *sender;         /* canonical spelling */
	const char *user;           /* whose it is: the session's, or whom a messenger names; NULL */
	struct trace_id trace;
	ARRAY(struct recipient) rcpts; /* the strings are the pool's */
	unsigned refused;           /* recipients */
	uint64_t beyond;            /* of these: more than one message may have */
	struct submission *body;    /* from DATA or BDAT on; NULL once it is refused */
	struct smtp_data data;
	const struct smtp_fault *fault; /* why the message will be refused */
};

struct session {
	struct list link;           /* in smtpd.sessions */
	struct smtpd *d;
	struct conn *conn;
	struct stream *stream;
	const struct mode *mode;
	enum session_state state;
	bool closing;               /* no more commands */
	bool parked;                /* waits for a command, outside a transaction */
	bool may_relay;
	bool esmtp;
	const char *helo;           /* "" before hello */
	const char *user;           /* who logged in; NULL */
	struct auth_login login;
	bool gone;                  /* that user is */
	bool secrets;               /* what comes may still belong to an AUTH that was refused */
	bool messenger;             /* local: tells for whom it comes (local.h) */
	const char *tls;            /* "TLSv1.3 with cipher ..."; NULL */
	struct log_context *log;
	struct str out;             /* a reply being built */
	struct pool *scratch;       /* emptied after each command */
	struct transaction tx;
	uint64_t errors, messages, auth_failures;
	int64_t started;            /* clock_mono_ms */
	int64_t deadline;           /* of the session */
};

/* Serves one connection; the service's serve function. */
void session_serve(struct conn *conn);
/* Tells clients that wait between messages that we are going, and lets them go. */
void session_stop_all(struct smtpd *d);

/* --- replies (reply.c) --- */

void reply(struct session *s, unsigned code, const char *status, const char *text);
void reply_printf(struct session *s, unsigned code, const char *status, const char *fmt, ...)
	__attribute__((format(printf, 4, 5)));
/* A refusal: counts as an error, is logged with what it was about ("" nothing), slows hasty clients
 * down. */
void refuse(struct session *s, const struct smtp_fault *fault, const char *about);
/* The same for what is no error of the client's: not counted, answered at once. */
void refuse_gently(struct session *s, const struct smtp_fault *fault, const char *about);
void refuse_printf(struct session *s, unsigned code, const char *status, const char *about,
	const char *fmt, ...) __attribute__((format(printf, 5, 6)));
/* The last words: no more commands are read. */
void reply_and_close(struct session *s, unsigned code, const char *status, const char *text);

/* --- the transaction (transaction.c) --- */

void transaction_start(struct session *s);
/* Forgets it; back to ST_READY, or ST_START if there was no hello. */
void transaction_reset(struct session *s);
/* Bytes of message text as they come from the wire. */
void transaction_write(struct session *s, struct span run);
/* The message is complete: checks, commits, answers. */
void transaction_finish(struct session *s);

/* --- commands; args are those of the line --- */

void cmd_helo(struct session *s, struct span args);
void cmd_ehlo(struct session *s, struct span args);
void cmd_mail(struct session *s, struct span args);
void cmd_rcpt(struct session *s, struct span args);
void cmd_data(struct session *s, struct span args);
void cmd_bdat(struct session *s, struct span args);
void cmd_auth(struct session *s, struct span args);
void cmd_starttls(struct session *s, struct span args);
void cmd_rset(struct session *s, struct span args);
void cmd_noop(struct session *s, struct span args);
void cmd_quit(struct session *s, struct span args);
void cmd_vrfy(struct session *s, struct span args);
void cmd_expn(struct session *s, struct span args);
void cmd_help(struct session *s, struct span args);
/* BDAT that may not be: its octets have to be read all the same. */
void bdat_refuse(struct session *s, struct span args, const struct smtp_fault *fault);

/* Extensions offered in this session, SMTP_EXT_*. */
unsigned session_offers(const struct session *s);
/* Sets what is known of TLS for Received and the log. */
void session_note_tls(struct session *s);

#endif
