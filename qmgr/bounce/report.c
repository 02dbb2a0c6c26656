#include "base/clock.h"
#include "base/log.h"
#include "mail/date.h"
#include "mail/dsn.h"
#include "mail/header.h"
#include "mail/received.h"
#include "os/os.h"
#include "qmgr/bounce/bounce.h"

#define HEADER_READ (256u * 1024) /* a longer header is returned cut */
#define STEP_MAX    64

static const struct {
	const char *reason;
	enum dsn_kind kind;
} reasons[] = {
	{AGENT_REASON_FAILED, DSN_FAILED},
	{AGENT_REASON_DELAYED, DSN_DELAYED},
	{AGENT_REASON_DELIVERED, DSN_DELIVERED},
};

/* What is said of one recipient, by the report's kind and what became of it. */
static enum dsn_kind action_of(enum dsn_kind kind, enum fate fate)
{
	if (kind != DSN_DELIVERED)
		return kind;
	return fate == FATE_RELAYED    ? DSN_RELAYED
	       : fate == FATE_EXPANDED ? DSN_EXPANDED
				       : DSN_DELIVERED;
}

static bool wants_header_only(
	const struct bounce_conf *conf, const struct agent_job *job, enum dsn_kind kind)
{
	return kind != DSN_FAILED || job->envelope->ret == DSN_RET_HDRS ||
	       job->size > DSN_RETURN_MAX ||
	       (job->envelope->ret != DSN_RET_FULL && job->size > conf->returned_size_max);
}

/* 0 with the message, or its header. */
static int read_message(const struct agent_job *job, bool header_only, struct str *out)
{
	uint64_t n = header_only && job->size > HEADER_READ ? HEADER_READ : job->size;
	if (io_pread(job->fd, str_reserve(out, n), n, job->at) != (ssize_t)n)
		return -1;
	out->len = n;
	if (header_only)
		str_truncate(out, header_length(str_span(out)));
	return 0;
}

static struct dsn_row *rows_of(const struct agent_job *job, enum dsn_kind kind, int64_t now_s)
{
	struct dsn_row *v = pool_array(job->pool, job->n, sizeof(*v));
	for (size_t i = 0; i < job->n; i++) {
		const struct agent_recipient *r = &job->recipients[i];
		v[i] = (struct dsn_row){
			.final_recipient = r->address,
			.original = r->envelope->orcpt,
			.action = action_of(kind, r->outcome.fate),
			.outcome = r->outcome,
			.last_attempt_s = now_s,
			.will_retry_until_s = kind == DSN_DELAYED ? job->retry_until : 0,
		};
	}
	return v;
}

/* The same recipients with the same fate make the same step, so that the report is made once (rule
 * 5), and others another one, so that none is forgotten. */
static const char *step_of(const struct agent_job *job)
{
	uint32_t crc = 0;
	for (size_t i = 0; i < job->n; i++) {
		const char *address = job->recipients[i].address;
		crc = os_crc32c(crc, address, strlen(address) + 1);
	}
	crc = os_crc32c(crc, job->envelope->sender, strlen(job->envelope->sender));
	return pool_printf(job->pool, "%s.%08x.%zu", job->reason, crc, job->n);
}

static void put_report(struct str *out, const struct service_ctx *svc, const struct agent_job *job,
	enum dsn_kind kind, const char *step, struct span message, bool header_only)
{
	const struct envelope *env = job->envelope;
	const char *host = svc->common->hostname;
	int64_t now_s = clock_wall_s();
	const struct dsn dsn = {
		.kind = kind == DSN_DELIVERED ? action_of(kind, job->recipients[0].outcome.fate)
					      : kind,
		.reporting_mta = host,
		.from = pool_printf(job->pool, "mailer-daemon@%s", host),
		.to = env->sender,
		.message_id = pool_printf(job->pool, "<%s.%s@%s>", env->trace.s, step, host),
		.boundary = pool_printf(job->pool, "=_%s", trace_id_make(clock_wall_us()).s),
		.envid = env->envid,
		.queue_id = env->trace.s,
		.now_s = now_s,
		.arrival_s = env->arrival_us / 1000000,
		.rows = rows_of(job, kind, now_s),
		.nrow = job->n,
		.message = message,
		.headers_only = header_only,
		.utf8 = env->smtputf8,
	};
	const struct received received = {
		.flags = RECEIVED_LOCAL, .by = host, .id = env->trace.s, .date = date_now()};
	received_put(out, &received);
	dsn_put(out, &dsn);
}

static int submit_report(struct service_ctx *svc, struct agent_job *job, const char *step,
	struct span report, const char **err_r)
{
	const struct bounce_conf *conf = svc->params;
	struct recipient to[2] = {
		{.address = job->envelope->sender, .orcpt = "", .notify = NOTIFY_NEVER}};
	struct envelope env = {
		.arrival_us = clock_wall_us(),
		.sender = "",
		.recipients = to,
		.nrecipient = 1,
		.body = job->envelope->body,
		.smtputf8 = job->envelope->smtputf8,
		.channel = "bounce",
		.protocol = "",
	};
	if (conf->postmaster_copy)
		to[env.nrecipient++] = (struct recipient){
			.address = "postmaster", .orcpt = "", .notify = NOTIFY_NEVER};
	return agent_submit(svc, job, step, &env, report, err_r);
}

static const char *make_report(struct service_ctx *svc, struct agent_job *job, enum dsn_kind kind)
{
	bool header_only = wants_header_only(svc->params, job, kind);
	struct str message = STR_INIT, report = STR_INIT;
	const char *step = step_of(job), *err = NULL;
	if (read_message(job, header_only, &message) < 0) {
		err = "The message can't be read from its segment.";
	} else {
		put_report(&report, svc, job, kind, step, str_span(&message), header_only);
		if (submit_report(svc, job, step, str_span(&report), &err) == 0)
			err = NULL;
	}
	str_fini(&message);
	str_fini(&report);
	return err;
}

void bounce_deliver(struct service_ctx *svc, struct agent_job *job)
{
	struct outcome o = outcome_make(FATE_FAILED, "5.3.5", "There is no report of this kind.");
	for (size_t i = 0; i < sizeof(reasons) / sizeof(reasons[0]); i++) {
		if (strcmp(job->reason, reasons[i].reason) != 0 || !*job->envelope->sender)
			continue;
		const char *err = make_report(svc, job, reasons[i].kind);
		o = err ? outcome_make(FATE_DEFERRED, "4.3.0", err)
			: outcome_make(FATE_DELIVERED, "2.0.0", "The report is in the queue.");
	}
	for (size_t i = 0; i < job->n; i++)
		job->recipients[i].outcome = o;
}
