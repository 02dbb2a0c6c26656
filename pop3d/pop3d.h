/*
 * pop3d: POP3 after login (RFC 1939 section 5, 2449).
 *
 * Trust: reads commands of users who have logged in, and the content of their mail.
 * Owns:  nothing; changes the account through lib/store.
 * Talks: takes sessions from pop3_login; to directoryd (tickets, accounts that are gone).
 */
#ifndef POP3D_POP3D_H
#define POP3D_POP3D_H

#include "auth/accounts.h"
#include "io/stream.h"
#include "params/pop3d.h"
#include "pop3/command.h"
#include "service/service.h"
#include "store/store.h"

struct pop3d {
	struct service_ctx *svc;
	const struct pop3d_conf *conf;
	struct store *store;
	struct auth_accounts *accounts;
	struct list sessions;
};

#define POP3_BAD_MAX 30 /* commands in a row that were none: the session ends, without QUIT */

/* One session. The maildrop is the view of INBOX as it was at login: numbers never change, whatever arrives or goes. */
struct session {
	struct list link;            /* in the daemon's sessions */
	struct pop3d *daemon;
	struct stream *stream;
	struct pool *pool, *command_pool;
	struct auth_login login;
	struct account *account;
	struct session_lock *lock;
	struct view *view;
	uint32_t uidvalidity, count;
	uint64_t octets;             /* of all that is not deleted */
	uint32_t left;               /* messages not deleted */
	unsigned char *marks;        /* MARK_* by number - 1 */
	unsigned bad;                /* commands in a row that were none */
	bool over, update;           /* update: QUIT was said, the deletions hold */
	bool waiting;                /* for the client's next command */
	bool gone;                   /* the account is: the session ends without QUIT */
};
enum { MARK_DELETED = 1, MARK_SEEN = 2 };

/* A session on its own, from the hand-over to the end. */
void pop3_serve(struct conn *conn);
/* The server stops: who waits for a client's next command waits no longer. */
void pop3_stop_all(struct pop3d *daemon);

/* commands.c */
void pop3_run_line(struct session *s, struct span line);
void pop3_say(struct session *s, const char *line);
/* For what is no command; counts. */
void pop3_bad(struct session *s, const char *line);

/* maildrop.c: 0, or -1 with the reply for the client. */
int maildrop_open(struct session *s, const char *account, const struct account_limits *limits,
	const char **reply_r);
/* Sets \Seen; after QUIT it also removes what is marked and lets go of the maildrop. -1 when not all could be removed. */
int maildrop_update(struct session *s);
void maildrop_close(struct session *s);

#endif
