/*
 * How a session goes from a login program to the worker that serves it (design, section 2, Logins).
 * The login program connects to the service of the workers (unix:imapd, unix:pop3d; to the one worker that has the
 * account open, if that can be), and these frames pass:
 *
 *	handoff  to the worker, which trades the ticket for the account and opens that
 *	ready    from the worker
 *	yours    to the worker, with the client's socket attached: it talks to the client itself and the Unix connection is
 *	         over (plain connections); or without: behind it the same Unix connection carries the client's bytes both
 *	         ways, and the login program proxies them (TLS)
 *
 * and the worker answers the login command. Until `yours` the client is the login program's, and nobody speaks to it
 * besides its owner. A login program that waits no longer closes the connection and still has its client; a worker that
 * comes too late finds the connection closed and has touched nothing.
 *
 * With `yours` the client becomes the worker's as soon as that has read it. That it has answered shows by itself: it closes
 * the Unix connection (which has done its work), or speaks (by that connection). Until then the login program keeps
 * its own descriptor of the client and watches, for one who dies or hangs here must not leave the client without a word:
 *
 *	the worker dies with `yours` unread   the kernel says so (ECONNRESET), and the client is the login program's as before
 *	it dies behind that                   its descriptor goes with it: the client's connection ends
 *	it hangs                              the login program ends the client's connection when its time is up; a worker
 *	                                      that goes on finds nobody there
 *	the login program dies                before `yours` the client's connection ends with it, and the worker, which
 *	                                      waits for `yours`, touches nobody; behind it a client with TLS goes with its
 *	                                      proxy, and another's socket is the worker's already
 *
 * Whoever receives reads not one byte past the frame, so that what follows is the client's.
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
	struct span input;   /* what the client has sent after the login command: a stream's buffer at most */
};
extern const struct ipc_msg login_handoff_msg;

/* Octets of a whole frame; the login program's own limits keep far below it. */
#define HANDOFF_MAX (256 * 1024)

/* How long a worker waits for the login program's next frame, which has nothing to wait for. */
#define HANDOFF_MS 30000

/* The login program's side, in this order. Each: 0, or -1 with *err_r a sentence. sock stays the caller's. */
int handoff_send(
	int sock, const struct login_handoff *handoff, int64_t deadline, const char **err_r);
/* Waits for `ready`. */
int handoff_wait(int sock, int64_t deadline, const char **err_r);
/* The client: the descriptor to attach (borrowed: the caller closes its own), or -1 to proxy. */
int handoff_give(int sock, int client, int64_t deadline, const char **err_r);
/* What became of it. Reads nothing of what the worker says. */
enum handoff_end {
	HANDOFF_TAKEN, /* it is the worker's, and answered */
	HANDOFF_LEFT,  /* the worker has gone without it: it is the login program's as before */
	HANDOFF_LOST,  /* the worker has it or may take it any moment, but nothing comes of it: its connection must end */
};
enum handoff_end handoff_watch(int sock, bool proxied, int64_t deadline);

/* The worker's side. 0, or -1 with *err_r; also for a session whose login program has given up meanwhile. Strings and spans
 * are the pool's. */
int handoff_receive(int sock, struct pool *pool, struct login_handoff *handoff_r, int64_t deadline,
	const char **err_r);
/* Says `ready` and waits for the client: the descriptor on which it is reached, its own or what was *sock, which becomes -1.
 * *sock, if it is left, is to be closed when the answer to the login command has been sent. Or -1 with *err_r: the client is
 * not ours, and never was. */
int handoff_take(int *sock, int64_t deadline, const char **err_r);

#endif
