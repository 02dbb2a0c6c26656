#include "qmgr/process.h"

#include <stdlib.h>

#include "mail/address.h"
#include "qmgr/dispatch.h"
#include "qmgr/ledger.h"
#include "route/cache.h"

#define FIBERS	   32
#define CACHE_MAX  10000 /* routes remembered */
#define CACHE_MS   2000	 /* and how long: one look-up for a burst of mail to the same user */
#define DEDUP_FROM 2	 /* recipients from which duplicates are looked for */

struct process {
	struct qmgr *q;
	struct list waiting;
	struct fiber_cond work;
	struct route_cache *routes;
};

/* A recipient that is to go to an agent, before it is in a job. */
struct hop {
	enum agent_kind kind;
	const char *destination; /* "" for local */
	const char *sender;
	struct job_recipient to;
};

struct routing {
	struct process *p;
	struct message *m;
	struct hash *seen; /* addresses of this message, when it has several */
	ARRAY(struct hop) hops;
};

static struct span key_of(struct pool *pool, const struct address *a)
{
	struct str key = STR_IN(pool);
	address_put_key(&key, a);
	return str_span(&key);
}

#define LOOP_TEXT "The alias leads back to itself."

/* --- recipients --- */

static void fail(
	struct routing *g, uint32_t i, enum fate fate, const char *status, const char *text)
{
	struct outcome o = outcome_make(fate, status, text);
	message_outcome(g->m, i, &o, "");
}

static unsigned depth_of(const struct message *m, uint32_t i)
{
	unsigned depth = 0;
	for (; m->rcpts.v[i].parent != QUEUE_NO_PARENT; i = m->rcpts.v[i].parent)
		depth++;
	return depth;
}

static bool is_same(const struct message *m, uint32_t i, uint32_t k)
{
	return span_ieq(span_of(m->rcpts.v[k].address), span_of(m->rcpts.v[i].address));
}

/* A target of an alias of the same name: the user of that name ("joe: joe, archive"). */
static bool is_own_target(const struct message *m, uint32_t i)
{
	uint32_t parent = m->rcpts.v[i].parent;
	return parent != QUEUE_NO_PARENT && is_same(m, i, parent);
}

/* Is it one of those that it stems from? Then expanding it again would never end. */
static bool is_loop(const struct message *m, uint32_t i)
{
	for (uint32_t k = m->rcpts.v[i].parent; k != QUEUE_NO_PARENT; k = m->rcpts.v[k].parent)
		if (is_same(m, i, k))
			return true;
	return false;
}

/* owner-list@domain, if there is such an address, gets the reports about a list's members. */
static const char *owner_of(
	struct routing *g, const struct address *a, const struct queue_recipient *r)
{
	struct pool *pool = g->m->pool;
	struct route route;
	if (!*message_sender(g->m, r) || strncmp(a->local, "owner-", 6) == 0)
		return r->sender;
	struct address owner = {pool_printf(pool, "owner-%s", a->local), a->domain};
	route_address(g->p->q->directory, pool, owner.local, owner.domain, "", &route);
	if (route.kind != ROUTE_LOCAL && route.kind != ROUTE_ALIAS)
		return r->sender;
	return address_text(pool, &owner);
}

/* RFC 3461 5.2.7: a success report that was asked for is made here and not by each of several
 * targets. */
static void expand(
	struct routing *g, uint32_t i, const struct address *a, const struct route *route)
{
	struct message *m = g->m;
	const struct dir_target *v = route->targets.v;
	size_t n = route->targets.n;
	if (depth_of(m, i) >= ROUTE_ALIAS_DEPTH_MAX) {
		fail(g, i, FATE_FAILED, "5.4.6", "Aliases lead through too many others.");
		return;
	}
	if (n == 0 || m->rcpts.n + n > m->env.nrecipient + ROUTE_ALIAS_TARGETS_MAX) {
		fail(g, i, FATE_FAILED, "5.4.6",
			n ? "Aliases lead to too many addresses." : "The alias leads nowhere.");
		return;
	}
	const char *sender = n > 1 ? owner_of(g, a, &m->rcpts.v[i]) : m->rcpts.v[i].sender;
	unsigned notify = m->rcpts.v[i].notify;
	if (n > 1 && notify & NOTIFY_SUCCESS)
		notify = notify == NOTIFY_SUCCESS ? NOTIFY_NEVER
						  : notify & ~(unsigned)NOTIFY_SUCCESS;
	struct outcome o = outcome_make(FATE_EXPANDED, "2.0.0", "The alias was expanded.");
	message_outcome(m, i, &o, "alias");
	/* With one target the report is that target's affair. */
	m->rcpts.v[i].reported = n == 1;
	for (size_t k = 0; k < n; k++)
		*array_add(&m->rcpts) =
			(struct queue_recipient){.address = pool_strdup(m->pool, v[k].address),
				.sender = sender,
				.origin = m->rcpts.v[i].origin,
				.parent = i,
				.notify = notify,
				.last = {.status = "", .text = "", .remote_mta = ""},
				.agent = ""};
}

static void add_hop(struct routing *g, uint32_t i, enum agent_kind kind, const struct route *route)
{
	*array_add(&g->hops) = (struct hop){.kind = kind,
		.destination = kind == AGENT_LOCAL ? "" : route->destination,
		.sender = message_sender(g->m, &g->m->rcpts.v[i]),
		.to = {.index = i,
			.account = route->account,
			.quota_bytes = route->quota_bytes,
			.quota_messages = route->quota_messages}};
}

/* Each address gets one copy, whichever way it was named. */
static bool is_duplicate(struct routing *g, uint32_t i, struct span key)
{
	if (!g->seen && g->m->rcpts.n < DEDUP_FROM)
		return false; /* an alias makes more of them: its own address can't come again but
				 as a loop */
	if (!g->seen)
		g->seen = hash_new();
	if (!hash_set(g->seen, key, g))
		return false;
	log_debug("duplicate recipient dropped to=%s", log_q(g->m->rcpts.v[i].address));
	g->m->rcpts.v[i].state = RCPT_DONE;
	return true;
}

static void route_recipient(struct routing *g, uint32_t i)
{
	struct message *m = g->m;
	struct address a;
	struct route route;
	const char *err;
	if (address_parse(span_of(m->rcpts.v[i].address), ADDRESS_UTF8_OK | ADDRESS_NO_DOMAIN_OK,
		    m->pool, &a, &err) < 0) {
		fail(g, i, FATE_FAILED, "5.1.3", err);
		return;
	}
	bool own = is_own_target(m, i);
	if (is_loop(m, i) && !own) {
		fail(g, i, FATE_FAILED, "5.4.6", LOOP_TEXT);
		return;
	}
	struct span key = key_of(m->pool, &a);
	if (!own && is_duplicate(g, i, key))
		return;
	route_cached(g->p->routes, m->pool, &a, &route);
	if (own && route.kind == ROUTE_ALIAS) {
		route.kind = *route.account ? ROUTE_LOCAL : ROUTE_REFUSED;
		route.status = "5.4.6";
		route.text = LOOP_TEXT;
	}
	switch (route.kind) {
	case ROUTE_LOCAL:
		add_hop(g, i, AGENT_LOCAL, &route);
		break;
	case ROUTE_REMOTE:
		add_hop(g, i, AGENT_SMTP, &route);
		break;
	case ROUTE_ALIAS:
		expand(g, i, &a, &route);
		break;
	case ROUTE_REFUSED:
		fail(g, i, FATE_FAILED, route.status, route.text);
		break;
	case ROUTE_TEMPFAIL:
		fail(g, i, FATE_DEFERRED, route.status, route.text);
		break;
	}
}

/* --- jobs --- */

static int compare_hops(const void *pa, const void *pb)
{
	const struct hop *a = pa, *b = pb;
	if (a->kind != b->kind)
		return a->kind < b->kind ? -1 : 1;
	int rc = strcmp(a->destination, b->destination);
	if (rc == 0 && a->sender != b->sender)
		rc = strcmp(a->sender, b->sender);
	if (rc == 0) /* keeps the recipients' order */
		rc = a->to.index < b->to.index ? -1 : a->to.index > b->to.index;
	return rc;
}

static bool is_same_job(const struct hop *a, const struct hop *b)
{
	return a->kind == b->kind && strcmp(a->destination, b->destination) == 0 &&
	       strcmp(a->sender, b->sender) == 0;
}

static void make_job(struct routing *g, const struct hop *v, size_t n)
{
	struct message *m = g->m;
	struct job *job = pool_new_of(m->pool, struct job);
	*job = (struct job){.m = m,
		.host = v->destination,
		.sender = v->sender,
		.reason = "",
		.n = n,
		.v = pool_array(m->pool, n, sizeof(*job->v))};
	for (size_t i = 0; i < n; i++) {
		job->v[i] = v[i].to;
		m->rcpts.v[v[i].to.index].state = RCPT_SENT;
	}
	/* Many local deliveries of one message go together, so that it is stored once; a single one
	 * has its account as destination, so that one account's mail does not stand in the way of
	 * others'. */
	const char *destination = v->kind == AGENT_LOCAL && n == 1 ? v->to.account : v->destination;
	dispatch_add(g->p->q->dispatch, v->kind, destination, job);
}

static void make_jobs(struct routing *g)
{
	size_t most = g->p->q->conf->recipients_per_delivery;
	struct hop *v = g->hops.v;
	if (g->hops.n > 1)
		qsort(v, g->hops.n, sizeof(*v), compare_hops);
	for (size_t i = 0, end; i < g->hops.n; i = end) {
		for (end = i + 1; end < g->hops.n && end - i < most && is_same_job(&v[i], &v[end]);)
			end++;
		make_job(g, &v[i], end - i);
	}
}

/* --- one message --- */

static void route_all(struct routing *g)
{
	struct message *m = g->m;
	for (uint32_t i = 0; i < m->rcpts.n; i++) { /* grows while aliases are expanded */
		if (m->rcpts.v[i].state != RCPT_WAITING)
			continue;
		if (m->too_many_hops)
			fail(g, i, FATE_FAILED, "5.4.6",
				"The message has been through too many hosts.");
		else
			route_recipient(g, i);
		fiber_breathe();
	}
}

/* What was served in an earlier attempt must not be served again under another name. */
static void note_served(struct routing *g)
{
	struct message *m = g->m;
	if (m->row_due == NO_ROW || m->rcpts.n < DEDUP_FROM)
		return;
	for (uint32_t i = 0; i < m->rcpts.n; i++) {
		struct address a;
		const char *err;
		if (m->rcpts.v[i].state == RCPT_WAITING ||
			address_parse(span_of(m->rcpts.v[i].address),
				ADDRESS_UTF8_OK | ADDRESS_NO_DOMAIN_OK, m->pool, &a, &err) < 0)
			continue;
		if (!g->seen)
			g->seen = hash_new();
		hash_set(g->seen, key_of(m->pool, &a), g);
	}
}

static void process_message(struct process *p, struct message *m)
{
	struct routing g = {.p = p, .m = m, .hops = ARRAY_IN(m->pool)};
	note_served(&g);
	route_all(&g);
	if (g.seen)
		hash_free(&g.seen);
	m->routing = false;
	if (!m->held && !m->removed)
		make_jobs(&g);
	if (!m->jobs)
		message_step(m);
}

static void worker(void *arg)
{
	struct process *p = arg;
	for (;;) {
		while (list_is_empty(&p->waiting))
			fiber_wait(&p->work, IO_FOREVER);
		struct message *m = list_entry(p->waiting.next, struct message, link);
		list_remove(&m->link);
		m->routing = true;
		log_context_swap(&m->log);
		process_message(p, m);
		log_context_swap(NULL);
	}
}

void process_enter(struct process *p, struct message *m)
{
	list_add_tail(&p->waiting, &m->link);
	fiber_wake_one(&p->work);
}

struct process *process_new(struct qmgr *q)
{
	struct process *p = mem_new(struct process);
	p->q = q;
	static const struct route_cache_conf routes = {.keep_ms = CACHE_MS, .max = CACHE_MAX};
	p->routes = route_cache_new(q->directory, &routes);
	list_init(&p->waiting);
	return p;
}

void process_start(struct process *p)
{
	for (int i = 0; i < FIBERS; i++)
		fiber_start("route", worker, p);
}
