#include "master/directoryd/directoryd.h"

#include "base/clock.h"
#include "base/list.h"
#include "base/wire.h"
#include "os/os.h"

#define TICKET_OCTETS  16
#define TICKETS_MAX    100000 /* outstanding; past it the oldest goes */

struct ticket {
	struct list link; /* oldest first */
	char bytes[TICKET_OCTETS];
	int64_t expires;
	char *user, *account, *service;
};

struct tickets {
	struct hash *by_bytes;
	struct list all;
	int64_t life;
};

struct tickets *tickets_new(int64_t life_ms)
{
	struct tickets *t = mem_new(struct tickets);
	t->by_bytes = hash_new();
	t->life = life_ms;
	list_init(&t->all);
	return t;
}

void tickets_set_life(struct tickets *t, int64_t life_ms)
{
	t->life = life_ms;
}

static void drop(struct tickets *t, struct ticket *k)
{
	hash_remove(t->by_bytes, span_make(k->bytes, TICKET_OCTETS));
	list_remove(&k->link);
	mem_free(&k->user);
	mem_free(&k->account);
	mem_free(&k->service);
	mem_free(&k);
}

/* Those whose time is over, and the oldest of what is more than `most`. */
static void drop_old(struct tickets *t, size_t most)
{
	int64_t now = clock_mono_ms();
	list_each (at, &t->all) {
		struct ticket *k = list_entry(at, struct ticket, link);
		if (k->expires > now && hash_count(t->by_bytes) <= most)
			break;
		drop(t, k);
	}
}

void tickets_free(struct tickets **t)
{
	if (!*t)
		return;
	list_each (at, &(*t)->all)
		drop(*t, list_entry(at, struct ticket, link));
	hash_free(&(*t)->by_bytes);
	mem_free(t);
}

static void add(struct tickets *t, int64_t life, const char *bytes, const char *user,
	const char *account, const char *service)
{
	struct ticket *k = mem_new(struct ticket);
	memcpy(k->bytes, bytes, TICKET_OCTETS);
	k->expires = clock_mono_ms() + life;
	k->user = mem_strdup(user);
	k->account = mem_strdup(account);
	k->service = mem_strdup(service);
	list_add_tail(&t->all, &k->link);
	hash_set(t->by_bytes, span_make(k->bytes, TICKET_OCTETS), k);
}

struct span tickets_issue(struct tickets *t, struct pool *pool, const char *user,
	const char *account, const char *service)
{
	char *bytes = pool_alloc(pool, TICKET_OCTETS);
	drop_old(t, TICKETS_MAX - 1);
	os_random(bytes, TICKET_OCTETS);
	add(t, t->life, bytes, user, account, service);
	return span_make(bytes, TICKET_OCTETS);
}

bool tickets_redeem(struct tickets *t, struct pool *pool, struct span ticket, const char *service,
	const char **user_r, const char **account_r)
{
	drop_old(t, TICKETS_MAX);
	struct ticket *k = hash_find(t->by_bytes, ticket);
	if (!k || strcmp(k->service, service) != 0)
		return false;
	*user_r = pool_strdup(pool, k->user);
	*account_r = pool_strdup(pool, k->account);
	drop(t, k);
	return true;
}

void tickets_put(struct tickets *t, struct str *out)
{
	drop_old(t, TICKETS_MAX);
	put_u64(out, (uint64_t)clock_wall_ms());
	list_each (at, &t->all) {
		const struct ticket *k = list_entry(at, struct ticket, link);
		str_add(out, k->bytes, TICKET_OCTETS);
		put_u64(out, (uint64_t)(k->expires - clock_mono_ms()));
		put_cstr(out, k->user);
		put_cstr(out, k->account);
		put_cstr(out, k->service);
	}
}

void tickets_get(struct tickets *t, struct span kept)
{
	struct pool *pool = pool_new("tickets");
	struct reader r = reader_of(kept);
	uint64_t now = (uint64_t)clock_wall_ms(), then = get_u64(&r), passed = now - then;
	while (reader_left(&r) && !r.bad) {
		struct span bytes = get_bytes(&r, TICKET_OCTETS);
		uint64_t life = get_u64(&r);
		const char *user = get_cstr(&r, pool), *account = get_cstr(&r, pool),
			   *service = get_cstr(&r, pool);
		if (!r.bad && then <= now && life > passed && life - passed <= (uint64_t)t->life)
			add(t, (int64_t)(life - passed), bytes.p, user, account, service);
	}
	drop_old(t, TICKETS_MAX);
	pool_free(&pool);
}
