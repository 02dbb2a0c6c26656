/*
 * How a session goes from a login program to the worker that serves it (design, section 2, Logins).
 * The login program connects to the service of the workers (unix:imapd, unix:pop3d; to the one worker that has the
 * account open, if that can be) and sends one frame:
 *
 *  - with the client's socket attached: the worker talks to the client itself and the Unix
 *    connection is over (plain connections), or
 *  - without: after the frame the same Unix connection carries the client's bytes both ways, and
 *    the login program proxies them (TLS).
 *
 * The worker trades the ticket for the account, opens it and answers the login command itself. The
 * receiver reads not one byte past the frame, so that what follows is the client's.
 */
#ifndef LOGIN_MESSAGES_H
#define LOGIN_MESSAGES_H

#include "ipc/ipc.h"
#include "ipc/types.h"

struct login_handoff {
	struct span ticket;
	/* IMAP: of the LOGIN or AUTHENTICATE command to answer; "" greets with PREAUTH. POP3: "" */
	const char *tag;
	const char *peer_ip; /* the client's */
	const char *session; /* id in the log, kept across the programs */
	bool tls;
	/* name of the service that accepted it: its connections_per_address counts this one, too */
	const char *service;
	struct span input;   /* what the client has sent after the login command */
};
extern const struct ipc_msg login_handoff_msg;

/* Octets of a whole frame; the login program's own limits keep far below it. */
#define HANDOFF_MAX (256 * 1024)

/* client: the descriptor to attach (borrowed: the caller closes its own), or -1 to proxy. 0, or
 * -1 with *err_r a sentence. */
int handoff_send(int sock, const struct login_handoff *handoff, int client, int64_t deadline,
	const char **err_r);
/* Strings and spans are the pool's. *client_r is -1 when the bytes come through sock. 0, or -1
 * with *err_r; then nothing is kept open but sock, which stays the caller's. */
int handoff_receive(int sock, struct pool *pool, struct login_handoff *handoff_r, int *client_r,
	int64_t deadline, const char **err_r);

#endif
