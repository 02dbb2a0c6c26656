#include "route/cache.h"

#include "base/clock.h"
#include "base/hash.h"

/* All of one generation is dropped together. */
struct route_cache {
	struct ipc_client *directory;
	struct route_cache_conf conf;
	struct pool *pool;
	struct hash *routes; /* address -> struct route, without targets */
	int64_t until;
	uint64_t changes; /* of the directory, that we heard of */
};

static void empty(struct route_cache *c)
{
	if (!hash_count(c->routes))
		return;
	hash_free(&c->routes);
	c->routes = hash_new();
	pool_reset(c->pool);
}

static void forget(void *arg)
{
	struct route_cache *c = arg;
	c->changes++;
	empty(c);
}

static void take_notice(void *arg, struct ipc_frame *frame)
{
	if (frame->type == dir_changed_msg.type)
		forget(arg);
}

struct route_cache *route_cache_new(struct ipc_client *directory, const struct route_cache_conf *conf)
{
	struct route_cache *c = mem_new(struct route_cache);
	c->directory = directory;
	c->conf = *conf;
	c->pool = pool_new("routes");
	c->routes = hash_new();
	ipc_client_on_notice(directory, take_notice, c);
	ipc_client_on_end(directory, forget, c);
	return c;
}

void route_cache_free(struct route_cache **c)
{
	if (!*c)
		return;
	hash_free(&(*c)->routes);
	pool_free(&(*c)->pool);
	mem_free(c);
}

static void forget_old(struct route_cache *c)
{
	int64_t now = clock_mono_ms();
	if (now < c->until && hash_count(c->routes) < c->conf.max)
		return;
	empty(c);
	c->until = now + c->conf.keep_ms;
}

static bool is_kept(const struct route_cache *c, const struct route *r)
{
	return r->kind == ROUTE_REMOTE ||
	       (r->kind == ROUTE_LOCAL && !(c->conf.answers && r->over_quota)) ||
	       (r->kind == ROUTE_ALIAS && c->conf.answers);
}

static void copy(struct pool *pool, const struct route *from, struct route *to)
{
	*to = *from;
	to->account = pool_strdup(pool, from->account);
	to->canonical = pool_strdup(pool, from->canonical);
	to->destination = pool_strdup(pool, from->destination);
}

static void keep(struct route_cache *c, struct span key, const struct route *r)
{
	struct route *kept = pool_new_of(c->pool, struct route);
	copy(c->pool, r, kept);
	kept->targets = (struct ipc_list){0};
	hash_set(c->routes, key, kept);
}

void route_cached(
	struct route_cache *c, struct pool *pool, const struct address *a, struct route *route_r)
{
	struct str key = STR_IN(pool);
	address_put_key(&key, a);
	forget_old(c);
	const struct route *known = hash_find(c->routes, str_span(&key));
	if (known && !(c->conf.answers && ipc_client_has_input(c->directory))) {
		copy(pool, known, route_r);
		return;
	}
	uint64_t before = c->changes;
	route_address(c->directory, pool, a->local, a->domain, "", route_r);
	if (before == c->changes && is_kept(c, route_r)) {
		forget_old(c); /* the call waited */
		keep(c, str_span(&key), route_r);
	}
}
