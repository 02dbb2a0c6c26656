/*
 * Names of clients by reverse look-up, for Received and the envelope. Nobody waits for DNS: a
 * look-up starts when the client connects, its answer is used from when it is there. A name counts
 * only when its own addresses hold the client's.
 */
#ifndef SMTPD_PEER_NAME_H
#define SMTPD_PEER_NAME_H

#include "service/service.h"

/* Answers that are kept, for how long, and look-ups at once; past these a client has no name. */
#define PEER_NAMES_MAX     4096
#define PEER_NAMES_KEEP_MS (10 * 60 * 1000)
#define PEER_LOOKUPS_MAX   100

struct peer_names;

/* dns_servers as in the configuration. -1 with *err_r. */
int peer_names_open(const char *dns_servers, struct peer_names **names_r, const char **err_r);
void peer_names_close(struct peer_names **names);

/* Asks for the name of a client unless it is known. names NULL: nothing happens. */
void peer_name_ask(struct peer_names *names, const struct conn *conn);
/* The name, in the pool; NULL when there is none, or not yet. */
const char *peer_name_find(struct peer_names *names, struct pool *pool, const char *ip);

#endif
