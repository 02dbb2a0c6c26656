/*
 * Routes remembered for a moment: a burst of mail to the same people asks the directory once. What is remembered ends when
 * the directory says that something has changed, or is out of reach, so that it may change unheard. Only answers that let
 * mail on are kept; refusals are always asked for anew.
 */
#ifndef ROUTE_CACHE_H
#define ROUTE_CACHE_H

#include "mail/address.h"
#include "route/route.h"

struct route_cache;
struct route_cache_conf {
	int64_t keep_ms; /* nothing is kept longer */
	size_t max;      /* routes; all go when there are more */
	/* For who tells a client at once what it finds: a notice that has come and is not read yet counts, aliases are kept, too,
	 * without their targets, and full mailboxes are not. */
	bool answers;
};

/* Hears the notices and the end of the client's connection; is freed after it. */
struct route_cache *route_cache_new(struct ipc_client *directory, const struct route_cache_conf *conf);
void route_cache_free(struct route_cache **c);
/* As route_address, without smart host; the strings are the pool's. */
void route_cached(
	struct route_cache *c, struct pool *pool, const struct address *a, struct route *route_r);

#endif
