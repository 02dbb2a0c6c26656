/*
 * One client, from the moment its login program hands it over until it leaves: what it has
 * selected, what it has been told, its streams and pools. Everything runs in the session's fiber.
 */
#ifndef IMAPD_SESSION_H
#define IMAPD_SESSION_H

#include "auth/accounts.h"
#include "base/log.h"
#include "imap/reader.h"
#include "imapd/imapd.h"

struct idler;

#define SESSION_BAD_MAX 30 /* BAD answers in a row: BYE */

struct session {
	struct imapd *imapd;
	struct list link;        /* in imapd->sessions */
	struct pool *pool;       /* the session's */
	struct pool *cmd_pool;   /* one command's */
	struct stream *stream;
	struct span input;       /* came with the handoff: read before the stream */
	struct imap_reader reader;
	struct str out;          /* replies on their way to the stream */
	struct log_context log;
	const char *user;
	struct auth_login login;
	struct account *account;
	const char *account_id;
	struct account_limits limits;
	char separator;
	bool waiting;            /* for the client, with nothing half said */
	bool gone;               /* the account is: BYE after this command */
	bool over;               /* end it after this command */
	const char *reason;      /* of the end, for the log */
	uint64_t commands;
	unsigned bad;            /* BAD answers in a row */
	struct idler *idler;     /* while in IDLE: its place in a watch */
	int wake_fd;             /* eventfd that ends an IDLE's wait; -1 before the first one */

	/* The selected mailbox. */
	struct view *view;       /* NULL: none */
	uint32_t mailbox;        /* id */
	bool read_only;
	uint32_t told_exists, told_recent;
	size_t told_keywords;
};

/* Serves a connection of the service: handoff, login, commands, end. */
void session_serve(struct conn *conn);
/* BYE to every session that waits; those at work are told after their command. */
void session_stop_all(struct imapd *imapd);

/* --- input --- */

/* What is there, waiting for at least an octet. False at the end. */
bool session_peek(struct session *s, struct span *in_r);
void session_consume(struct session *s, size_t n);
bool session_has_input(struct session *s);
/* Feeds the reader until it says something else than MORE; -1 when the client is gone. */
int session_read(struct session *s);

/* --- output --- */

/* Replies are built in s->out; call this now and then in loops: passes a full buffer on to the
 * client, waiting while it does not read, and gives other fibers their turn. False when the
 * client is gone. */
bool session_flow(struct session *s);
/* All of it, to the stream's buffer. */
void session_push(struct session *s);
bool session_is_dead(const struct session *s);
/* "* BYE ..." and the end of the session. text begins with a response code or a word. */
void session_bye(struct session *s, const char *text, const char *reason);

/* --- the selected mailbox --- */

void session_unselect(struct session *s);

#endif
