/* Look-ups of recipients with a short memory, which ends when the directory changes: see LOOKUP_KEEP_MS. */
#include "base/clock.h"
#include "base/hash.h"
#include "smtpd/smtpd.h"

/* All of one generation is dropped together; nothing is kept longer than LOOKUP_KEEP_MS. */
struct lookup_cache {
	struct pool *pool;
	struct hash *routes; /* address -> struct route, without targets */
	int64_t until;
	uint64_t changes; /* of the directory, that we heard of */
};

static void empty(struct lookup_cache *c)
{
	if (!hash_count(c->routes))
		return;
	hash_free(&c->routes);
	c->routes = hash_new();
	pool_reset(c->pool);
}

/* The directory has changed, or it went: it may change unheard. */
static void forget(void *arg)
{
	struct lookup_cache *c = arg;
	c->changes++;
	empty(c);
}

static void take_notice(void *arg, struct ipc_frame *frame)
{
	if (frame->type == dir_changed_msg.type)
		forget(arg);
}

struct lookup_cache *lookup_cache_new(struct ipc_client *directory)
{
	struct lookup_cache *c = mem_new(struct lookup_cache);
	c->pool = pool_new("look-ups");
	c->routes = hash_new();
	ipc_client_on_notice(directory, take_notice, c);
	ipc_client_on_end(directory, forget, c);
	return c;
}

void lookup_cache_free(struct lookup_cache **c)
{
	if (!*c)
		return;
	hash_free(&(*c)->routes);
	pool_free(&(*c)->pool);
	mem_free(c);
}

static void forget_old(struct lookup_cache *c)
{
	int64_t now = clock_mono_ms();
	if (now < c->until && hash_count(c->routes) < LOOKUP_KEEP_MAX)
		return;
	empty(c);
	c->until = now + LOOKUP_KEEP_MS;
}

static bool is_kept(const struct route *r)
{
	return (r->kind == ROUTE_LOCAL && !r->over_quota) || r->kind == ROUTE_REMOTE ||
		r->kind == ROUTE_ALIAS;
}

static void keep(struct lookup_cache *c, struct span key, const struct route *r)
{
	struct route *copy = pool_memdup(c->pool, r, sizeof(*r));
	copy->targets = (struct ipc_list){0};
	copy->agent = copy->destination = copy->status = copy->text = "";
	copy->account = pool_strdup(c->pool, r->account);
	copy->canonical = pool_strdup(c->pool, r->canonical);
	hash_set(c->routes, key, copy);
}

void lookup_address(
	struct smtpd *d, struct pool *pool, const struct address *a, struct route *route_r)
{
	struct lookup_cache *c = d->lookups;
	struct str key = STR_IN(pool);
	address_put(&key, a);
	forget_old(c);
	const struct route *known = hash_find(c->routes, str_span(&key));
	/* A notice that lies there unread is older than the question. */
	if (known && !ipc_client_has_input(d->directory)) {
		*route_r = *known;
		route_r->account = pool_strdup(pool, known->account);
		route_r->canonical = pool_strdup(pool, known->canonical);
		return;
	}
	uint64_t before = c->changes;
	route_address(d->directory, pool, a->local, a->domain, "", route_r);
	if (before == c->changes && is_kept(route_r)) {
		forget_old(c); /* the call waited */
		keep(c, str_span(&key), route_r);
	}
}
