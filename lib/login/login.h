/*
 * What the two login programs share: one connection before login. The protocol's dialogue stands in imapd/login and
 * pop3d/login; TLS, passwords, SASL and the hand-over to the worker stand here.
 */
#ifndef LOGIN_LOGIN_H
#define LOGIN_LOGIN_H

#include "auth/auth.h"
#include "params/login.h"
#include "service/service.h"

#define LOGIN_LINE_MAX 16384 /* octets of a line, SASL answers (RFC 4422 names none; others take 12,288) among them */

/* What all connections of a process share. */
struct login_shared {
	struct ipc_client *directory; /* unix:directory-auth */
	struct list logins;           /* connections that have not logged in */
	char *offers[2];              /* mechanisms of directoryd, without and with TLS; NULL before its first answer */
	struct fiber_cond offered;
};

struct login {
	struct list link;             /* in the shared logins */
	struct conn *conn;
	const struct login_conf *conf;
	struct login_shared *shared;
	struct pool *attempt;         /* of the last attempt to log in */
	const char *service;          /* "imap", "pop": the SASL name */
	const char *worker;           /* "imapd", "pop3d": its Unix socket */
	unsigned failures;
	struct dir_auth_reply reply;  /* of the last attempt, in its pool */
};

enum login_result {
	LOGIN_OK,
	LOGIN_FAILED,       /* wrong user or password, and nothing more is said */
	LOGIN_TEMPFAIL,     /* can't be asked now */
	LOGIN_NEEDS_TLS,
	LOGIN_BAD_MECHANISM,
	LOGIN_CANCELLED,    /* the client sent "*" */
	LOGIN_MALFORMED,    /* not base64 */
	LOGIN_GONE,         /* the connection ended meanwhile */
};

/* In start_user: the state that connections share. */
int login_start(struct service_ctx *svc, const char **err_r);

void login_init(struct login *l, struct conn *conn, const char *service, const char *worker);
void login_fini(struct login *l);
/* Passwords may be sent as they are: TLS is up, or the configuration says so. */
bool login_is_secure(const struct login *l);
/* What may be used now, separated by blanks. */
const char *login_mechanisms(struct login *l, struct pool *pool);
bool login_has_tls(const struct login *l); /* STARTTLS can be offered */

enum login_result login_password(struct login *l, const char *user, const char *password);
/* The whole exchange; challenges go out as "+ base64" lines, which IMAP and POP3 share. initial: the base64 text that came with the
 * command, "=" for an empty one; NULL: none came. */
enum login_result login_sasl(struct login *l, const char *mechanism, const struct span *initial);
/* True when the client has failed too often and must go. */
bool login_is_hopeless(const struct login *l);

/* After LOGIN_OK. tag: see messages.h. */
enum login_end {
	LOGIN_PASSED, /* the worker answers the login command and has had the session from there: it is over for this program */
	LOGIN_KEPT,   /* no worker took it within hand_over_timeout: the client is ours as before */
	LOGIN_LOST,   /* the same, but a worker may have begun with what the client sent: it is told, and goes */
};
enum login_end login_hand_over(struct login *l, const char *tag);

#endif
