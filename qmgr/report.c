#include "qmgr/report.h"

#include "agent/agent.h"
#include "base/clock.h"
#include "qmgr/ledger.h"

typedef bool (*wants_fn)(const struct message *m, const struct queue_recipient *r);

static bool is_undone_failure(const struct message *m, const struct queue_recipient *r)
{
	(void)m;
	return r->state == RCPT_FAILED;
}

static bool is_delayed(const struct message *m, const struct queue_recipient *r)
{
	return r->state == RCPT_WAITING && *message_sender(m, r) &&
	       notify_wants(r->notify, NOTIFY_DELAY);
}

static bool is_success(const struct message *m, const struct queue_recipient *r)
{
	return (r->state == RCPT_DONE || r->state == RCPT_EXPANDED) && *r->last.status == '2' &&
	       r->last.fate != FATE_HANDED_ON && !r->reported && *message_sender(m, r) &&
	       r->notify != NOTIFY_UNSET && notify_wants(r->notify, NOTIFY_SUCCESS);
}

/* Recipients of one report: of the same kind, with the same sender. */
static void add_job(struct message *m, const char *reason, const char *sender, wants_fn wants)
{
	struct job *job = pool_new_of(m->pool, struct job);
	*job = (struct job){.m = m,
		.host = "",
		.sender = sender,
		.reason = reason,
		.v = pool_array(m->pool, m->rcpts.n, sizeof(*job->v))};
	for (uint32_t i = 0; i < m->rcpts.n; i++)
		if (wants(m, &m->rcpts.v[i]) &&
			strcmp(message_sender(m, &m->rcpts.v[i]), sender) == 0)
			job->v[job->n++] = (struct job_recipient){.index = i, .account = ""};
	dispatch_add(m->q->dispatch, AGENT_BOUNCE, "", job);
}

/* One job for each sender among those who want it; lists with owners are few, so this is not
 * quadratic in recipients. */
static void add_jobs(struct message *m, const char *reason, wants_fn wants)
{
	ARRAY(const char *) senders = ARRAY_IN(m->pool);
	for (uint32_t i = 0; i < m->rcpts.n; i++) {
		if (!wants(m, &m->rcpts.v[i]))
			continue;
		const char *sender = message_sender(m, &m->rcpts.v[i]);
		size_t k = 0;
		while (k < senders.n && strcmp(senders.v[k], sender) != 0)
			k++;
		if (k == senders.n)
			*array_add(&senders) = sender;
	}
	for (size_t k = 0; k < senders.n; k++)
		add_job(m, reason, senders.v[k], wants);
}

/* A failure that nobody is told of is over. */
static void drop_unwanted(struct message *m)
{
	for (size_t i = 0; i < m->rcpts.n; i++) {
		struct queue_recipient *r = &m->rcpts.v[i];
		if (r->state != RCPT_FAILED)
			continue;
		if (*message_sender(m, r) && notify_wants(r->notify, NOTIFY_FAILURE))
			continue;
		if (!*message_sender(m, r))
			log_warning("a report can't be delivered and is dropped to=%s text=%s",
				log_q(r->address), log_q(r->last.text));
		r->state = RCPT_DONE;
	}
}

/* A report of success that could not be made for so long as mail is kept is given up. */
static void expire_successes(struct message *m)
{
	int64_t arrival_s = m->env.arrival_us / 1000000, now = clock_wall_s();
	for (uint32_t i = 0; i < m->rcpts.n; i++) {
		struct queue_recipient *r = &m->rcpts.v[i];
		if (!is_success(m, r) || now < message_expires(m->q, message_sender(m, r), arrival_s))
			continue;
		log_error("a report of success could not be made in time to=%s", log_q(r->address));
		r->reported = true;
	}
}

bool report_owes(const struct message *m)
{
	for (uint32_t i = 0; i < m->rcpts.n; i++)
		if (is_success(m, &m->rcpts.v[i]))
			return true;
	return false;
}

static bool delay_is_due(const struct message *m)
{
	int64_t after_s = m->q->conf->delay_warning / 1000;
	return after_s && !m->warned && clock_wall_s() >= m->env.arrival_us / 1000000 + after_s;
}

void report_start(struct message *m, bool late)
{
	drop_unwanted(m);
	add_jobs(m, AGENT_REASON_FAILED, is_undone_failure);
	if (late)
		expire_successes(m);
	add_jobs(m, AGENT_REASON_DELIVERED, is_success);
	if (delay_is_due(m))
		add_jobs(m, AGENT_REASON_DELAYED, is_delayed);
}

void report_result(struct message *m, const struct job *job, uint32_t i, const struct outcome *o)
{
	struct queue_recipient *r = &m->rcpts.v[i];
	if (o->fate == FATE_DEFERRED)
		return; /* tried again with the message's next attempt */
	if (o->fate == FATE_FAILED)
		log_error("a report can't be made to=%s reason=%s text=%s", log_q(r->address),
			job->reason, log_q(o->text));
	else
		service_count(m->q->svc, COUNT_REPORTS, 1);
	if (strcmp(job->reason, AGENT_REASON_FAILED) == 0)
		r->state = RCPT_DONE;
	else if (strcmp(job->reason, AGENT_REASON_DELAYED) == 0)
		m->warned = true;
	else
		r->reported = true;
}
