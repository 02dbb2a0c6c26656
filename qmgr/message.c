#include "qmgr/message.h"

#include <inttypes.h>

#include "base/clock.h"
#include "mail/received.h"
#include "qmgr/dispatch.h"
#include "qmgr/ledger.h"
#include "qmgr/load.h"
#include "qmgr/process.h"
#include "qmgr/queue_time.h"
#include "qmgr/report.h"
#include "queue/retry.h"

#define SPARE_POOLS_MAX 256
#define SPARE_USED_MAX	(32u * 1024) /* a larger one is given back */
#define HEAD_MAX	(64u * 1024) /* of a large message: what is searched for Received fields */

/* --- pools --- */

struct spare {
	struct list link;
	struct pool *pool;
};

struct pool *message_pool(struct qmgr *q)
{
	if (list_is_empty(&q->spare_pools))
		return pool_new("message");
	struct spare *s = list_entry(q->spare_pools.next, struct spare, link);
	struct pool *pool = s->pool;
	list_remove(&s->link);
	q->spares--;
	pool_reset(pool);
	return pool;
}

void message_pool_free(struct qmgr *q, struct pool **pool)
{
	if (q->spares >= SPARE_POOLS_MAX || pool_used(*pool) > SPARE_USED_MAX) {
		pool_free(pool);
		return;
	}
	pool_reset(*pool);
	struct spare *s = pool_new_of(*pool, struct spare);
	s->pool = *pool;
	list_add_tail(&q->spare_pools, &s->link);
	q->spares++;
	*pool = NULL;
}

/* --- making and freeing --- */

static struct span place_of(const struct message *m, struct str *buf)
{
	queue_place_put(buf, m->segment->id, m->at);
	return str_span(buf);
}

struct message *message_find(struct qmgr *q, uint64_t segment, uint64_t at)
{
	struct str key = STR_INIT;
	queue_place_put(&key, segment, at);
	struct message *m = hash_find(q->active, str_span(&key));
	str_fini(&key);
	return m;
}

/* NULL when the envelope is damaged. */
static struct message *message_new(
	struct qmgr *q, struct segment *s, const struct segment_record *rec, struct pool *pool)
{
	struct message *m = pool_new_of(pool, struct message);
	*m = (struct message){.q = q,
		.pool = pool,
		.segment = s,
		.at = rec->at,
		.body_at = rec->body_at,
		.body_size = rec->body_size,
		.row_due = NO_ROW,
		.copy = {.fd = -1}};
	m->rcpts.pool = pool;
	list_init(&m->in_segment);
	list_init(&m->link);
	list_init(&m->queued_jobs);
	if (envelope_parse(rec->envelope, pool, &m->env) < 0)
		return NULL;
	memcpy(m->env.trace.s, rec->trace, sizeof(m->env.trace.s));
	m->log.trace = m->env.trace.s;
	m->held = m->env.hold;
	return m;
}

static void enter(struct message *m)
{
	struct str key = STR_IN(m->pool);
	hash_set(m->q->active, place_of(m, &key), m);
	m->segment->active++;
}

static void message_free(struct message *m)
{
	struct qmgr *q = m->q;
	struct pool *pool = m->pool;
	struct str key = STR_IN(pool);
	hash_remove(q->active, place_of(m, &key));
	m->segment->active--;
	list_remove(&m->in_segment);
	list_remove(&m->link);
	message_pool_free(q, &pool);
	spool_kick(q->spool);
}

/* Its row stays. */
static void leave_memory(struct message *m)
{
	int64_t due_s = m->held ? 0 : m->next_s;
	struct qmgr *q = m->q;
	message_free(m);
	if (due_s)
		load_kick(q->loader, due_s); /* while it was here the loader passed it over */
}

static void add_recipients(struct message *m)
{
	array_reserve(&m->rcpts, m->env.nrecipient);
	for (size_t i = 0; i < m->env.nrecipient; i++) {
		const struct recipient *r = &m->env.recipients[i];
		*array_add(&m->rcpts) = (struct queue_recipient){.address = r->address,
			.sender = "",
			.origin = (uint32_t)i,
			.parent = QUEUE_NO_PARENT,
			.notify = r->notify,
			.last = {.status = "", .text = "", .remote_mta = ""},
			.agent = ""};
	}
}

static bool has_looped(const struct message *m, const struct segment_record *rec)
{
	uint64_t limit = m->q->svc->common->hop_limit;
	if (rec->body.p)
		return received_count(rec->body) > limit;
	struct str head = STR_IN(m->pool);
	size_t n = rec->body_size < HEAD_MAX ? rec->body_size : HEAD_MAX;
	ssize_t got = io_pread(m->segment->fd, str_reserve(&head, n), n, rec->body_at);
	return got > 0 && received_count(span_make(head.s, (size_t)got)) > limit;
}

void message_take(struct qmgr *q, struct segment *s, const struct segment_record *rec)
{
	struct pool *pool = message_pool(q);
	struct message *m = message_new(q, s, rec, pool);
	if (!m) {
		log_error("the envelope of a message is damaged; its segment is kept trace=%s "
			  "segment=%016" PRIx64,
			rec->trace, s->id);
		s->broken = true;
		message_pool_free(q, &pool);
		return;
	}
	add_recipients(m);
	m->next_s = queue_time_s(m->q);
	m->too_many_hops =
		has_looped(m, rec); /* may wait, so before anybody can find the message */
	enter(m);
	list_add_tail(&s->unsettled, &m->in_segment);
	struct log_context *before = log_context_swap(&m->log);
	log_info("queued from=%s size=%" PRIu64 " recipients=%zu%s", log_q(m->env.sender),
		m->body_size, m->env.nrecipient, m->held ? " held" : "");
	service_count(q->svc, COUNT_QUEUED, 1);
	if (m->held)
		message_hold(m);
	else
		process_enter(q->process, m);
	log_context_swap(before);
}

struct message *message_wake(struct qmgr *q, struct segment *s, const struct segment_record *rec,
	const struct queue_row *row, struct pool *pool)
{
	struct message *m = message_new(q, s, rec, pool);
	if (!m) {
		log_error("the envelope of a message is damaged trace=%s", rec->trace);
		return NULL;
	}
	m->rcpts.v = row->recipients;
	m->rcpts.n = m->rcpts.cap = row->n;
	m->attempts = row->attempts;
	m->next_s = m->row_due = row->next_s;
	m->held = row->held;
	m->warned = row->warned;
	m->parent = row->parent;
	m->removed = row->done;
	m->phase = PHASE_PARKING;
	enter(m);
	return m;
}

void message_start(struct message *m)
{
	m->phase = PHASE_DELIVERING;
	process_enter(m->q->process, m);
}

void message_put_back(struct message *m)
{
	if (m->phase == PHASE_PARKING && !m->saving)
		leave_memory(m);
}

void message_row(const struct message *m, struct queue_row *row_r)
{
	*row_r = (struct queue_row){.sender = m->env.sender,
		.arrival_s = m->env.arrival_us / 1000000,
		.next_s = m->held ? 0 : m->next_s,
		.size = m->body_size,
		.attempts = m->attempts,
		.held = m->held,
		.warned = m->warned,
		.parent = m->parent,
		.done = m->removed,
		.recipients = m->rcpts.v,
		.n = m->rcpts.n};
	memcpy(row_r->trace, m->env.trace.s, sizeof(row_r->trace));
}

const char *message_sender(const struct message *m, const struct queue_recipient *r)
{
	return *r->sender ? r->sender : m->env.sender;
}

int64_t message_expires(const struct qmgr *q, const char *sender, int64_t arrival_s)
{
	return arrival_s + (*sender ? q->conf->expire : q->conf->bounce_expire) / 1000;
}

/* --- outcomes --- */

static const char *original(const struct message *m, const struct queue_recipient *r)
{
	return r->parent == QUEUE_NO_PARENT ? NULL : m->env.recipients[r->origin].address;
}

static void log_outcome(const struct message *m, const struct queue_recipient *r)
{
	const char *orig = original(m, r);
	int64_t delay_ms = clock_wall_ms() - m->env.arrival_us / 1000;
	log_info("delivery to=%s%s%s relay=%s%s%s delay=%" PRId64 ".%03d dsn=%s status=%s text=%s",
		log_q(r->address), orig ? " orig_to=" : "", orig ? log_q(orig) : "",
		*r->agent ? r->agent : "none", *r->last.remote_mta ? ":" : "",
		*r->last.remote_mta ? log_q(r->last.remote_mta) : "", delay_ms / 1000,
		(int)(delay_ms < 0 ? 0 : delay_ms % 1000), r->last.status, fate_name(r->last.fate),
		log_q(r->last.text));
}

static const enum qmgr_counter counters[] = {
	[FATE_DELIVERED] = COUNT_DELIVERED,
	[FATE_RELAYED] = COUNT_RELAYED,
	[FATE_HANDED_ON] = COUNT_RELAYED,
	[FATE_EXPANDED] = COUNT_DELIVERED,
	[FATE_DEFERRED] = COUNT_DEFERRED,
	[FATE_FAILED] = COUNT_FAILED,
};

void message_outcome(struct message *m, uint32_t i, const struct outcome *o, const char *agent)
{
	struct queue_recipient *r = &m->rcpts.v[i];
	static const enum recipient_state states[] = {
		[FATE_DELIVERED] = RCPT_DONE,
		[FATE_RELAYED] = RCPT_DONE,
		[FATE_HANDED_ON] = RCPT_DONE,
		[FATE_EXPANDED] = RCPT_EXPANDED,
		[FATE_DEFERRED] = RCPT_WAITING,
		[FATE_FAILED] = RCPT_FAILED,
	};
	r->last = (struct outcome){.fate = o->fate,
		.status = pool_strdup(m->pool, o->status),
		.text = pool_strdup(m->pool, o->text),
		.remote_mta = pool_strdup(m->pool, o->remote_mta ? o->remote_mta : "")};
	r->agent = agent;
	r->attempts++;
	r->state = m->removed ? RCPT_DONE : states[o->fate];
	m->tried = true;
	struct log_context *before = log_context_swap(&m->log);
	log_outcome(m, r);
	log_context_swap(before);
	service_count(m->q->svc, counters[o->fate], 1);
}

/* --- what comes after an attempt --- */

static bool is_finished(const struct message *m)
{
	for (size_t i = 0; i < m->rcpts.n; i++)
		if (m->rcpts.v[i].state < RCPT_EXPANDED)
			return false;
	return !report_owes(m);
}

static void finish(struct message *m)
{
	if (m->saving) { /* the ledger has it: message_saved comes back to this */
		m->phase = PHASE_PARKING;
		return;
	}
	log_info("removed from the queue recipients=%zu", m->rcpts.n);
	ledger_finish(m->q->ledger, m);
	message_free(m);
}

static int64_t next_attempt(const struct message *m)
{
	const struct qmgr_conf *conf = m->q->conf;
	int64_t now = queue_time_s(m->q), pause;
	pause = retry_pause(m->attempts ? m->attempts : 1, conf->retry_first, conf->retry_most) /
		1000;
	pause = retry_spread(pause < 1 ? 1 : pause, m->at ^ m->segment->id);
	int64_t next = now + (pause < 1 ? 1 : pause);
	int64_t expires = message_expires(m->q, m->env.sender, m->env.arrival_us / 1000000) +
			  queue_time_ahead_s(m->q);
	if (next < m->not_before_s)
		next = m->not_before_s;
	/* The last attempt is made when it expires, not a pause later. */
	return next > expires && expires > now ? expires : next;
}

static void park(struct message *m)
{
	m->phase = PHASE_PARKING;
	ledger_save(m->q->ledger, m);
}

/* Nothing is under way any more, and who had to be told was told. */
static void settle(struct message *m)
{
	if (m->removed || is_finished(m)) {
		finish(m);
		return;
	}
	m->next_s = next_attempt(m);
	park(m);
}

/* What waits too long has failed. */
static void expire(struct message *m)
{
	int64_t arrival_s = m->env.arrival_us / 1000000, now = clock_wall_s();
	for (size_t i = 0; i < m->rcpts.n; i++) {
		struct queue_recipient *r = &m->rcpts.v[i];
		if (r->state != RCPT_WAITING ||
			now < message_expires(m->q, message_sender(m, r), arrival_s))
			continue;
		r->state = RCPT_FAILED;
		r->last.fate = FATE_FAILED;
		r->last.text =
			pool_printf(m->pool, "The message could not be delivered in time: %s",
				*r->last.text ? r->last.text : "no attempt was made");
		r->last.status = "5.4.7";
		log_outcome(m, r);
	}
}

void message_step(struct message *m)
{
	struct log_context *before = log_context_swap(&m->log);
	if (m->jobs || m->routing) {
		/* nothing yet */
	} else if (m->phase == PHASE_DELIVERING) {
		bool late = !m->tried;
		m->phase = PHASE_REPORTING;
		if (m->tried)
			m->attempts++;
		m->tried = false;
		if (!m->removed && !m->held) {
			expire(m);
			report_start(m, late);
		}
		if (!m->jobs)
			settle(m);
	} else if (m->phase == PHASE_REPORTING) {
		settle(m);
	}
	log_context_swap(before);
}

void message_saved(struct message *m)
{
	m->saving--;
	if (m->phase != PHASE_PARKING || m->saving)
		return;
	if (m->removed || is_finished(m)) {
		finish(m);
		return;
	}
	leave_memory(m);
}

/* --- operators --- */

/* Nobody else has it: no agent, no fiber that routes it, no commit. */
static bool is_idle(const struct message *m)
{
	return m->phase != PHASE_PARKING && !m->jobs && !m->routing;
}

void message_hold(struct message *m)
{
	m->held = true;
	dispatch_cancel(m->q->dispatch, m);
	if (!is_idle(m)) {
		ledger_save(m->q->ledger, m);
		return;
	}
	list_remove(&m->link);
	park(m);
}

void message_release(struct message *m)
{
	m->held = false;
	m->next_s = queue_time_s(m->q);
	ledger_save(m->q->ledger, m);
}

/* What an agent has can't be called back; the row says meanwhile that nothing is left to do. */
void message_remove(struct message *m)
{
	m->removed = true;
	m->held = false;
	dispatch_cancel(m->q->dispatch, m);
	for (size_t i = 0; i < m->rcpts.n; i++)
		m->rcpts.v[i].state = RCPT_DONE;
	m->next_s = queue_time_s(m->q);
	if (!is_idle(m)) {
		ledger_save(m->q->ledger, m);
		return;
	}
	list_remove(&m->link);
	park(m);
}
