#include "master/directoryd/directoryd.h"

#include "base/clock.h"
#include "base/list.h"
#include "io/net.h"

/*
 * The answer to a failure waits, twice as long for each further one of the same address, until some quiet minutes have
 * passed. A success takes nothing back: who owns one account could guess at others in between.
 */
#define ADDRESSES_MAX 100000 /* past it the one that is quiet for longest is forgotten */
#define GROWTH_MAX    7.5    /* times the first delay: 15 s of 2 s */
#define DELAY_MAX_MS  60000
#define FORGET_MS     (10 * 60 * 1000)

struct address {
	struct list link; /* quiet for longest first */
	struct span key;  /* follows the struct */
	int64_t last, delay;
};

struct delays {
	struct hash *by_key;
	struct list all;
	int64_t first;
};

struct delays *delays_new(int64_t first_ms)
{
	struct delays *d = mem_new(struct delays);
	d->by_key = hash_new();
	d->first = first_ms;
	list_init(&d->all);
	return d;
}

void delays_set_first(struct delays *d, int64_t first_ms)
{
	d->first = first_ms;
}

static void forget(struct delays *d, struct address *a)
{
	hash_remove(d->by_key, a->key);
	list_remove(&a->link);
	mem_free(&a);
}

void delays_free(struct delays **d)
{
	if (!*d)
		return;
	list_each (at, &(*d)->all)
		forget(*d, list_entry(at, struct address, link));
	hash_free(&(*d)->by_key);
	mem_free(d);
}

static void forget_old(struct delays *d, int64_t now)
{
	list_each (at, &d->all) {
		struct address *a = list_entry(at, struct address, link);
		if (now - a->last <= FORGET_MS && hash_count(d->by_key) < ADDRESSES_MAX)
			break;
		forget(d, a);
	}
}

static struct address *address_new(struct delays *d, struct span key)
{
	struct address *a = mem_alloc(sizeof(*a) + key.n);
	*a = (struct address){.key = span_make(a + 1, key.n)};
	memcpy(a + 1, key.p, key.n);
	list_init(&a->link);
	hash_set(d->by_key, a->key, a);
	return a;
}

int64_t delays_failure(struct delays *d, const char *remote_ip)
{
	int64_t now = clock_mono_ms(), most = (int64_t)((double)d->first * GROWTH_MAX);
	unsigned char buf[8];
	struct span key = net_key(remote_ip, buf);
	forget_old(d, now);
	struct address *a = hash_find(d->by_key, key);
	if (!a)
		a = address_new(d, key);
	a->delay = a->delay ? a->delay * 2 : d->first;
	if (a->delay > most)
		a->delay = most;
	if (a->delay > DELAY_MAX_MS)
		a->delay = DELAY_MAX_MS;
	a->last = now;
	list_remove(&a->link);
	list_add_tail(&d->all, &a->link);
	return a->delay;
}
