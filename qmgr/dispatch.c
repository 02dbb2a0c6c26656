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
	struct list ready[LANES]; /* those that have jobs, in turn */
	enum lane last;		  /* the lane of the job that an agent got last */
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
	for (enum lane lane = 0; lane < LANES; lane++) {
		dest->lanes[lane].destination = dest;
		list_init(&dest->lanes[lane].ready);
		list_init(&dest->lanes[lane].jobs);
	}
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
	for (enum lane lane = 0; lane < LANES; lane++)
		list_remove(&dest->lanes[lane].ready);
	free_why(dest);
	mem_free(&name);
	mem_free(&dest);
}

static size_t waiting(const struct destination *dest)
{
	return dest->lanes[LANE_SMALL].waiting + dest->lanes[LANE_LARGE].waiting;
}

/* Nothing is known of an account that would be worth remembering. */
static void leave_destination(struct destination *dest)
{
	if (waiting(dest) || dest->busy)
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
		if (!waiting(dest) && !dest->busy && now - dest->idle_since > IDLE_KEPT_MS &&
			!pace_is_closed(&dest->pace, now / 1000))
			free_destination(dest);
	}
}

static void mark_ready(struct destination *dest)
{
	struct kind *k = &dest->dispatch->kinds[dest->kind];
	for (enum lane lane = 0; lane < LANES; lane++)
		if (dest->lanes[lane].waiting && list_is_empty(&dest->lanes[lane].ready))
			list_add_tail(&k->ready[lane], &dest->lanes[lane].ready);
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
	struct destination_lane *l = &job->destination->lanes[job->lane];
	list_remove(&job->link);
	list_remove(&job->in_message);
	l->waiting--;
	if (!l->waiting)
		list_remove(&l->ready);
}

static void put_into_queue(struct job *job, bool first)
{
	struct destination_lane *l = &job->destination->lanes[job->lane];
	list_add_after(first ? &l->jobs : l->jobs.prev, &job->link);
	list_add_tail(&job->m->queued_jobs, &job->in_message);
	l->waiting++;
	mark_ready(job->destination);
}

void dispatch_add(
	struct dispatch *d, enum agent_kind kind, const char *destination, struct job *job)
{
	list_init(&job->link);
	list_init(&job->in_message);
	job->destination = find_destination(d, kind, destination);
	job->lane = kind == AGENT_SMTP ? copies_lane(job->m) : LANE_SMALL; /* others get segments */
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

static void put_off(struct job *job, const struct outcome *o, int64_t until_s)
{
	struct message *m = job->m;
	bool tried = m->tried;
	take_from_queue(job);
	for (size_t i = 0; i < job->n; i++) {
		if (*job->reason)
			report_result(m, job, job->v[i].index, o);
		else
			message_outcome(m, job->v[i].index, o, "none");
	}
	m->tried = tried; /* it was no attempt */
	if (m->not_before_s < until_s)
		m->not_before_s = until_s;
	m->jobs--;
	message_step(m);
}

static void put_off_all(struct destination *dest)
{
	struct str text = STR_INIT;
	int64_t reopens_s = queue_time_s(dest->dispatch->q) + dest->pace.closed_until - now_s();
	str_printf(&text, "Deliveries to this host are suspended after: %s",
		dest->why.text ? dest->why.text : "it could not be reached");
	struct outcome o = outcome_make(
		FATE_DEFERRED, dest->why.status ? dest->why.status : "4.4.1", str_c(&text));
	for (enum lane lane = 0; lane < LANES; lane++)
		while (!list_is_empty(&dest->lanes[lane].jobs))
			put_off(list_entry(dest->lanes[lane].jobs.next, struct job, link), &o,
				reopens_s);
	str_fini(&text);
}

/* --- the dispatcher --- */

void dispatch_unreadable(struct dispatch *d, struct job *job)
{
	struct outcome o =
		outcome_make(FATE_DEFERRED, "4.3.0", "The message can't be read from the queue.");
	struct outcome *v = pool_array(job->m->pool, job->n, sizeof(*v));
	for (size_t i = 0; i < job->n; i++)
		v[i] = o;
	dispatch_result(d, job, v, false);
}

static struct job *first_job(const struct destination_lane *l)
{
	return list_entry(l->jobs.next, struct job, link);
}

static void send_job(struct dispatch *d, struct destination_lane *l, struct agent_conn *conn)
{
	struct destination *dest = l->destination;
	struct job *job = first_job(l);
	take_from_queue(job);
	dest->busy++;
	dest->large += job->lane == LANE_LARGE ? job->m->body_size : 0;
	d->kinds[dest->kind].busy++;
	d->kinds[dest->kind].last = job->lane;
	if (l->waiting) { /* the others' turn */
		list_remove(&l->ready);
		mark_ready(dest);
	}
	if (agents_send(conn, job) < 0)
		dispatch_unreadable(d, job);
}

/* Whose turn it is; NULL nobody's. Who has half of the memory lets the others pass. */
static struct destination_lane *next_in(struct dispatch *d, struct kind *k, enum lane lane)
{
	struct list *ready = &k->ready[lane];
	list_each (l, ready) {
		struct destination_lane *next = list_entry(l, struct destination_lane, ready);
		if (lane == LANE_SMALL || next->destination->large < d->q->conf->outgoing_memory / 2)
			return next;
	}
	return list_is_empty(ready) ? NULL : list_entry(ready->next, struct destination_lane, ready);
}

/* False when nothing of the lane can be sent for now. */
static bool run_lane(struct dispatch *d, enum agent_kind kind, enum lane lane)
{
	struct kind *k = &d->kinds[kind];
	struct destination_lane *l = next_in(d, k, lane);
	if (!l)
		return false;
	struct destination *dest = l->destination;
	if (pace_is_closed(&dest->pace, now_s())) {
		put_off_all(dest);
		return true;
	}
	if (!pace_allows(&dest->pace, dest->busy, now_s())) {
		list_remove(&l->ready); /* comes back when one of its deliveries ends */
		return true;
	}
	if (lane == LANE_LARGE && !copies_have_room(d->q->copies, first_job(l)->m))
		return false; /* nobody else goes first, or it would never go */
	if (kind == AGENT_LOCAL && k->busy >= d->q->conf->local_concurrency)
		return false;
	struct agent_conn *conn = agents_free(d->agents, kind, hash_bytes(span_of(dest->name)));
	if (!conn)
		return false;
	send_job(d, l, conn);
	return true;
}

static bool run_next(struct dispatch *d, enum agent_kind kind)
{
	enum lane other = d->kinds[kind].last == LANE_SMALL ? LANE_LARGE : LANE_SMALL;
	return run_lane(d, kind, other) || run_lane(d, kind, LANE_SMALL + LANE_LARGE - other);
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
	dest->large -= job->lane == LANE_LARGE ? job->m->body_size : 0;
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

static struct destination_lane *longest(struct dispatch *d)
{
	struct destination_lane *most = NULL;
	for (enum agent_kind kind = 0; kind < AGENT_KINDS; kind++)
		for (enum lane lane = 0; lane < LANES; lane++)
			list_each (at, &d->kinds[kind].ready[lane]) {
				struct destination_lane *l =
					list_entry(at, struct destination_lane, ready);
				if (!most || l->waiting > most->waiting)
					most = l;
			}
	return most;
}

void dispatch_park_overflow(struct dispatch *d)
{
	struct destination_lane *l = longest(d);
	if (!l || l->waiting < d->q->conf->active_max / 8)
		return;
	for (size_t n = l->waiting / 2; n > 0 && !list_is_empty(&l->jobs); n--) {
		struct job *job = list_entry(l->jobs.prev, struct job, link);
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
		for (enum lane lane = 0; lane < LANES; lane++)
			list_init(&d->kinds[kind].ready[lane]);
	}
	return d;
}

void dispatch_start(struct dispatch *d)
{
	fiber_start("dispatcher", dispatcher, d);
}
