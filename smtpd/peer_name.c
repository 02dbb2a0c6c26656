#include "smtpd/peer_name.h"

#include <netinet/in.h>

#include "base/clock.h"
#include "base/hash.h"
#include "io/dns.h"
#include "io/net.h"

#define DEADLINE_MS 20000

/* All answers of one generation are dropped together. */
struct peer_names {
	struct dns *dns;
	struct pool *pool;
	struct hash *known; /* ip -> name; "" none, or being asked for */
	int64_t until;
	unsigned lookups;
	bool closing; /* freed by the last look-up */
};

struct lookup {
	struct peer_names *names;
	struct sockaddr_storage addr;
	const char *ip;
	struct pool *pool;
};

int peer_names_open(const char *dns_servers, struct peer_names **names_r, const char **err_r)
{
	struct dns *dns = dns_new(dns_servers, true, err_r);
	if (!dns)
		return -1;
	struct peer_names *n = mem_new(struct peer_names);
	n->dns = dns;
	n->pool = pool_new("peer names");
	n->known = hash_new();
	*names_r = n;
	return 0;
}

static void release(struct peer_names *n)
{
	if (!n->closing || n->lookups)
		return;
	dns_free(&n->dns);
	hash_free(&n->known);
	pool_free(&n->pool);
	mem_free(&n);
}

void peer_names_close(struct peer_names **names)
{
	if (!*names)
		return;
	(*names)->closing = true;
	release(*names);
	*names = NULL;
}

static void forget_old(struct peer_names *n)
{
	int64_t now = clock_mono_ms();
	if (now < n->until && hash_count(n->known) < PEER_NAMES_MAX)
		return;
	hash_free(&n->known);
	n->known = hash_new();
	pool_reset(n->pool);
	n->until = now + PEER_NAMES_KEEP_MS;
}

static bool is_same_host(struct pool *pool, const struct sockaddr_storage *a, const char *ip)
{
	struct str text = STR_IN(pool);
	net_put_host(&text, (const struct sockaddr *)a);
	return strcmp(str_c(&text), ip) == 0;
}

/* The name whose addresses hold this one; NULL. */
static const char *ask(struct lookup *l, int64_t deadline)
{
	const char *name;
	struct sockaddr_storage *addr;
	size_t n;
	struct dns *dns = l->names->dns;
	const struct sockaddr *peer = (const struct sockaddr *)&l->addr;
	if (dns_ptr(dns, l->pool, peer, deadline, &name) != DNS_OK ||
		dns_addr(dns, l->pool, name, 0, deadline, &addr, &n) != DNS_OK)
		return NULL;
	for (size_t i = 0; i < n; i++)
		if (is_same_host(l->pool, &addr[i], l->ip))
			return name;
	return NULL;
}

static void look_up(void *arg)
{
	struct lookup *l = arg;
	struct peer_names *n = l->names;
	struct pool *pool = l->pool; /* l itself is in it */
	const char *name = ask(l, io_deadline(DEADLINE_MS));
	forget_old(n);
	if (name)
		hash_set(n->known, span_of(l->ip), pool_strdup(n->pool, name));
	n->lookups--;
	pool_free(&pool);
	release(n);
}

void peer_name_ask(struct peer_names *names, const struct conn *conn)
{
	if (!names || conn->is_unix || names->lookups >= PEER_LOOKUPS_MAX)
		return;
	forget_old(names);
	if (hash_find(names->known, span_of(conn->peer_ip)))
		return;
	hash_set(names->known, span_of(conn->peer_ip), pool_strdup(names->pool, ""));
	struct pool *pool = pool_new("reverse look-up");
	struct lookup *l = pool_new_of(pool, struct lookup);
	*l = (struct lookup){names, conn->peer, pool_strdup(pool, conn->peer_ip), pool};
	names->lookups++;
	fiber_start("reverse look-up", look_up, l);
}

const char *peer_name_find(struct peer_names *names, struct pool *pool, const char *ip)
{
	const char *name = names ? hash_find(names->known, span_of(ip)) : NULL;
	return name && *name ? pool_strdup(pool, name) : NULL;
}
