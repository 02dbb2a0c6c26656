/*
 * A SASL exchange (RFC 4422) of a client of ours with directoryd, seen from the protocol's side: the protocol moves base64 lines, this
 * moves messages. Failures look the same to the client whatever the reason, and slow down: directoryd says
 * by how much, the calls here wait it out.
 */
#ifndef AUTH_AUTH_H
#define AUTH_AUTH_H

#include "directory/directory.h"
#include "io/stream.h"

struct auth; /* one exchange */

/* "SCRAM-SHA-256 PLAIN ..." for the phase; asked for each time; "" when directoryd can't be asked. */
const char *auth_mechanisms(struct ipc_client *c, struct pool *pool, bool tls);

/* Does a configured list of mechanisms allow this one? With binding, the -PLUS variant of one that stands there is meant, too;
 * without, none is. */
bool auth_is_listed(const char *list, bool binding, struct span mechanism);

struct auth_request {
	const char *mechanism, *service, *remote_ip;
	const struct stream *stream; /* for TLS state and channel binding */
	bool assume_secure;          /* take the channel as private although it has no TLS */
	bool offers_binding;         /* -PLUS mechanisms were offered on this connection (needs TLS) */
	const struct span *initial;  /* NULL: none was sent */
};
/* Each returns the state; reply_r->data is the challenge in AUTH_CONTINUE. After any other state the exchange is over and *auth_r is
 * NULL. What a mechanism says with its success (SCRAM's server signature) comes as one more challenge with an empty
 * answer, because none of our protocols has room for it in the final reply: AUTH_OK never has data. */
enum auth_state auth_start(struct ipc_client *c, struct pool *pool, const struct auth_request *rq,
	struct auth **auth_r, struct dir_auth_reply *reply_r);
enum auth_state auth_step(struct auth **auth, struct pool *pool, struct span data,
	struct dir_auth_reply *reply_r);
void auth_cancel(struct auth **auth);
/* USER/PASS and LOGIN: a PLAIN exchange in one call. */
enum auth_state auth_password(struct ipc_client *c, struct pool *pool, const struct auth_request *rq,
	const char *user, const char *password, struct dir_auth_reply *reply_r);
/* Trades the ticket for the account. */
bool auth_redeem(struct ipc_client *c, struct pool *pool, struct span ticket, const char *service,
	struct dir_redeem_reply *reply_r);

#endif
