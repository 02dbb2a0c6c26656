#include "master/directoryd/directoryd.h"

#include "base/clock.h"
#include "base/list.h"
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

struct span tickets_issue(struct tickets *t, struct pool *pool, const char *user,
	const char *account, const char *service)
{
	drop_old(t, TICKETS_MAX - 1);
	struct ticket *k = mem_new(struct ticket);
	os_random(k->bytes, TICKET_OCTETS);
	k->expires = clock_mono_ms() + t->life;
	k->user = mem_strdup(user);
	k->account = mem_strdup(account);
	k->service = mem_strdup(service);
	list_add_tail(&t->all, &k->link);
	hash_set(t->by_bytes, span_make(k->bytes, TICKET_OCTETS), k);
	return span_make(pool_memdup(pool, k->bytes, TICKET_OCTETS), TICKET_OCTETS);
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
