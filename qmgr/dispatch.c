#include "qmgr/dispatch.h"

#include "base/clock.h"
#include "qmgr/agents.h"
#include "qmgr/ledger.h"
#include "qmgr/queue_time.h"
#include "qmgr/report.h"

#define INITIAL_WIDTH 5	     /* deliveries at once to a host we know nothing about */
#define IDLE_KEPT_MS  300000 /* what was learnt about a host is kept so long */
#define SWEEP_MS      60000
#define PARK_S	      30 /* what found no room in memory comes back then */
#define CRASHES_MAX   3	 /* agents that may die over a message before it is put off */

const char *const agent_names[AGENT_KINDS] = {
	[AGENT_LOCAL] = "local", [AGENT_SMTP] = "smtp", [AGENT_BOUNCE] = "bounce"};

struct kind {
	struct hash *destinations;
	struct list ready; /* those that have jobs, in turn */
	size_t busy;
};

struct dispatch {
	struct qmgr *q;
	struct agents *agents;
	struct kind kinds[AGENT_KINDS];
	struct fiber_cond work;
	bool kicked;
	int64_t swept_at;
};

struct agents *dispatch_agents(struct dispatch *d)
{
	return d->agents;
}

void dispatch_kick(struct dispatch *d)
{
	d->kicked = true;
	fiber_wake_all(&d->work);
}

static int64_t now_s(void)
{
	return clock_mono_ms() / 1000;
}

/* --- destinations --- */

static struct destination *find_destination(
	struct dispatch *d, enum agent_kind kind, const char *name)
{
	struct kind *k = &d->kinds[kind];
	struct destination *dest = hash_find(k->destinations, span_of(name));
	if (dest)
		return dest;
	unsigned most = (unsigned)d->q->conf->destination_concurrency;
	dest = mem_new(struct destination);
	list_init(&dest->ready);
	list_init(&dest->jobs);
	dest->dispatch = d;
	dest->kind = kind;
	dest->name = mem_strdup(name);
	/* A slow start is for other people's hosts. */
	pace_init(&dest->pace, kind == AGENT_SMTP ? INITIAL_WIDTH : most, most);
	hash_set(k->destinations, span_of(name), dest);
	return dest;
}

static void free_why(struct destination *dest)
{
	char *text = (char *)(uintptr_t)dest->why.text,
	     *status = (char *)(uintptr_t)dest->why.status;
	mem_free(&text);
	mem_free(&status);
	dest->why = (struct outcome){0};
}

static void free_destination(struct destination *dest)
{
	char *name = (char *)(uintptr_t)dest->name;
	hash_remove(dest->dispatch->kinds[dest->kind].destinations, span_of(dest->name));
	list_remove(&dest->ready);
	free_why(dest);
	mem_free(&name);
	mem_free(&dest);
}

/* Nothing is known of an account that would be worth remembering. */
static void leave_destination(struct destination *dest)
{
	if (dest->waiting || dest->busy)
		return;
	dest->idle_since = clock_mono_ms();
	if (dest->kind != AGENT_SMTP)
		free_destination(dest);
}

static void sweep(struct dispatch *d)
{
	int64_t now = clock_mono_ms();
	size_t at = 0;
	struct span key;
	void *value;
	if (now - d->swept_at < SWEEP_MS)
		return;
	d->swept_at = now;
	while (hash_next(d->kinds[AGENT_SMTP].destinations, &at, &key, &value)) {
		struct destination *dest = value;
		if (!dest->waiting && !dest->busy && now - dest->idle_since > IDLE_KEPT_MS &&
			!pace_is_closed(&dest->pace, now / 1000))
			free_destination(dest);
	}
}

static void mark_ready(struct destination *dest)
{
	if (dest->waiting && list_is_empty(&dest->ready))
		list_add_tail(&dest->dispatch->kinds[dest->kind].ready, &dest->ready);
}

/* --- jobs --- */

static void wait_again(struct job *job)
{
	for (size_t i = 0; i < job->n && !*job->reason; i++) {
		struct queue_recipient *r = &job->m->rcpts.v[job->v[i].index];
		if (r->state == RCPT_SENT)
			r->state = RCPT_WAITING;
	}
}

static void take_from_queue(struct job *job)
{
	list_remove(&job->link);
	list_remove(&job->in_message);
	job->destination->waiting--;
	if (!job->destination->waiting)
		list_remove(&job->destination->ready);
}

static void put_into_queue(struct job *job, bool first)
{
	struct destination *dest = job->destination;
	list_add_after(first ? &dest->jobs : dest->jobs.prev, &job->link);
	list_add_tail(&job->m->queued_jobs, &job->in_message);
	dest->waiting++;
	mark_ready(dest);
}

void dispatch_add(
	struct dispatch *d, enum agent_kind kind, const char *destination, struct job *job)
{
	list_init(&job->link);
	list_init(&job->in_message);
	job->destination = find_destination(d, kind, destination);
	job->m->jobs++;
	put_into_queue(job, false);
	dispatch_kick(d);
}

static void drop_queued(struct job *job)
{
	struct destination *dest = job->destination;
	take_from_queue(job);
	wait_again(job);
	job->m->jobs--;
	leave_destination(dest);
}

void dispatch_cancel(struct dispatch *d, struct message *m)
{
	(void)d;
	list_each (l, &m->queued_jobs)
		drop_queued(list_entry(l, struct job, in_message));
}

/* --- a closed destination --- */

static void put_off(struct job *job, const struct outcome *o)
{
	struct message *m = job->m;
	bool tried = m->tried;
	for (size_t i = 0; i < job->n; i++) {
		if (*job->reason)
			report_result(m, job, job->v[i].index, o);
		else
			message_outcome(m, job->v[i].index, o, "none");
	}
	m->tried = tried; /* it was no attempt */
}

static void put_off_all(struct destination *dest)
{
	struct str text = STR_INIT;
	int64_t reopens_s = queue_time_s(dest->dispatch->q) + dest->pace.closed_until - now_s();
	str_printf(&text, "Deliveries to this host are suspended after: %s",
		dest->why.text ? dest->why.text : "it could not be reached");
	struct outcome o = outcome_make(
		FATE_DEFERRED, dest->why.status ? dest->why.status : "4.4.1", str_c(&text));
	while (!list_is_empty(&dest->jobs)) {
		struct job *job = list_entry(dest->jobs.next, struct job, link);
		struct message *m = job->m;
		take_from_queue(job);
		put_off(job, &o);
		if (m->not_before_s < reopens_s)
			m->not_before_s = reopens_s;
		m->jobs--;
		message_step(m);
	}
	str_fini(&text);
}

/* --- the dispatcher --- */

/* The message can't be read: not its destination's fault. */
static void could_not_send(struct dispatch *d, struct job *job)
{
	struct outcome o =
		outcome_make(FATE_DEFERRED, "4.3.0", "The message can't be read from the queue.");
	struct outcome *v = pool_array(job->m->pool, job->n, sizeof(*v));
	for (size_t i = 0; i < job->n; i++)
		v[i] = o;
	dispatch_result(d, job, v, false);
}

static void send_job(struct dispatch *d, struct destination *dest, struct agent_conn *conn)
{
	struct job *job = list_entry(dest->jobs.next, struct job, link);
	take_from_queue(job);
	dest->busy++;
	d->kinds[dest->kind].busy++;
	if (dest->waiting) { /* the others' turn */
		list_remove(&dest->ready);
		mark_ready(dest);
	}
	if (agents_send(conn, job) < 0)
		could_not_send(d, job);
}

/* False when nothing can be sent for now. */
static bool run_next(struct dispatch *d, enum agent_kind kind)
{
	struct kind *k = &d->kinds[kind];
	if (list_is_empty(&k->ready))
		return false;
	struct destination *dest = list_entry(k->ready.next, struct destination, ready);
	if (pace_is_closed(&dest->pace, now_s())) {
		put_off_all(dest);
		return true;
	}
	if (!pace_allows(&dest->pace, dest->busy, now_s())) {
		list_remove(&dest->ready); /* comes back when one of its deliveries ends */
		return true;
	}
	if (kind == AGENT_LOCAL && k->busy >= d->q->conf->local_concurrency)
		return false;
	struct agent_conn *conn = agents_free(d->agents, kind, hash_bytes(span_of(dest->name)));
	if (!conn)
		return false;
	send_job(d, dest, conn);
	return true;
}

static void dispatcher(void *arg)
{
	struct dispatch *d = arg;
	for (;;) {
		d->kicked = false;
		for (enum agent_kind kind = 0; kind < AGENT_KINDS; kind++)
			while (run_next(d, kind))
				fiber_breathe();
		sweep(d);
		if (!d->kicked)
			fiber_wait(&d->work, io_deadline(SWEEP_MS));
	}
}

/* --- results --- */

static void learn(
	struct destination *dest, const struct job *job, const struct outcome *o, bool host_down)
{
	const struct qmgr_conf *conf = dest->dispatch->q->conf;
	bool bad = host_down;
	const struct outcome *why = NULL;
	for (size_t i = 0; i < job->n; i++)
		if (o[i].fate == FATE_DEFERRED &&
			(host_down || strncmp(o[i].status, "4.4.", 4) == 0)) {
			bad = true;
			why = &o[i];
		}
	if (dest->kind != AGENT_SMTP)
		return;
	if (!bad) {
		pace_good(&dest->pace);
		return;
	}
	int64_t first = conf->retry_first / 1000, most = conf->retry_most / 1000;
	pace_bad(&dest->pace, host_down, now_s(), first < 1 ? 1 : first, most < 1 ? 1 : most);
	if (why) {
		free_why(dest);
		dest->why.status = mem_strdup(why->status);
		dest->why.text = mem_strdup(why->text);
	}
}

static void job_ended(struct dispatch *d, struct job *job)
{
	struct destination *dest = job->destination;
	dest->busy--;
	d->kinds[dest->kind].busy--;
	job->conn = NULL;
	mark_ready(dest);
	leave_destination(dest);
	dispatch_kick(d);
}

/* What another host has taken must be on record before qmgr can die, when the message goes on;
 * `local` knows by itself what it has. */
static bool must_be_noted(const struct job *job, const struct outcome *o)
{
	if (job->destination->kind != AGENT_SMTP || job->m->jobs <= 1)
		return false;
	for (size_t i = 0; i < job->n; i++)
		if (fate_is_final(o[i].fate))
			return true;
	return false;
}

void dispatch_result(struct dispatch *d, struct job *job, const struct outcome *o, bool host_down)
{
	struct message *m = job->m;
	enum agent_kind kind = job->destination->kind;
	for (size_t i = 0; i < job->n; i++) {
		if (*job->reason)
			report_result(m, job, job->v[i].index, &o[i]);
		else
			message_outcome(m, job->v[i].index, &o[i], agent_names[kind]);
	}
	bool note = must_be_noted(job, o);
	learn(job->destination, job, o, host_down);
	job_ended(d, job);
	m->jobs--;
	if (note)
		ledger_save(d->q->ledger, m);
	message_step(m);
}

void dispatch_again(struct dispatch *d, struct job *job)
{
	struct message *m = job->m;
	if (++m->crashes > CRASHES_MAX && !m->held && !m->removed) {
		struct outcome o = outcome_make(
			FATE_DEFERRED, "4.3.0", "Delivery agents ended over this message.");
		struct outcome *v = pool_array(m->pool, job->n, sizeof(*v));
		for (size_t i = 0; i < job->n; i++)
			v[i] = o;
		dispatch_result(d, job, v, false);
		return;
	}
	put_into_queue(job, true);
	job_ended(d, job);
	if (!m->held && !m->removed)
		return;
	drop_queued(job);
	message_step(m);
}

void dispatch_open_all(struct dispatch *d)
{
	size_t at = 0;
	struct span key;
	void *value;
	while (hash_next(d->kinds[AGENT_SMTP].destinations, &at, &key, &value)) {
		struct destination *dest = value;
		dest->pace.closed_until = 0;
		dest->pace.closures = 0;
	}
	dispatch_kick(d);
}

/* --- when memory is full --- */

static struct destination *longest(struct dispatch *d)
{
	struct destination *most = NULL;
	for (enum agent_kind kind = 0; kind < AGENT_KINDS; kind++)
		list_each (l, &d->kinds[kind].ready) {
			struct destination *dest = list_entry(l, struct destination, ready);
			if (!most || dest->waiting > most->waiting)
				most = dest;
		}
	return most;
}

void dispatch_park_overflow(struct dispatch *d)
{
	struct destination *dest = longest(d);
	if (!dest || dest->waiting < d->q->conf->active_max / 8)
		return;
	for (size_t n = dest->waiting / 2; n > 0 && !list_is_empty(&dest->jobs); n--) {
		struct job *job = list_entry(dest->jobs.prev, struct job, link);
		struct message *m = job->m;
		m->not_before_s = queue_time_s(d->q) + PARK_S;
		take_from_queue(job);
		wait_again(job);
		m->jobs--;
		message_step(m);
	}
}

struct dispatch *dispatch_new(struct qmgr *q)
{
	struct dispatch *d = mem_new(struct dispatch);
	d->q = q;
	d->agents = agents_new(d);
	for (enum agent_kind kind = 0; kind < AGENT_KINDS; kind++) {
		d->kinds[kind].destinations = hash_new();
		list_init(&d->kinds[kind].ready);
	}
	return d;
}

void dispatch_start(struct dispatch *d)
{
	fiber_start("dispatcher", dispatcher, d);
}
