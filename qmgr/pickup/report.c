/* Its sender was told that the message was kept, and is gone: who is refused now is reported by mail. */
#include "base/clock.h"
#include "base/log.h"
#include "base/num.h"
#include "mail/dsn.h"
#include "mail/header.h"
#include "mail/trace.h"
#include "qmgr/pickup/pickup.h"

/* RFC 3464 2.3.4: of a line like "550 5.1.1 no such user". */
static struct outcome outcome_of(struct pool *pool, const char *reply)
{
	struct span text = span_of(reply);
	uint32_t code = 550;
	if (text.n > 4 && num_parse_u32(span_make(text.p, 3), 599, &code))
		text = span_make(text.p + 4, text.n - 4);
	struct outcome o = outcome_make(FATE_FAILED, outcome_status_of(pool, code, text), reply);
	if (!outcome_is_valid(&o))
		o.status = "5.0.0";
	return o;
}

static struct dsn_row *rows_of(struct pool *pool, const struct submit_message *sent, size_t *n_r)
{
	struct dsn_row *v = pool_array(pool, sent->nrecipient, sizeof(*v));
	size_t n = 0;
	for (size_t i = 0; i < sent->nrecipient; i++)
		if (sent->recipients[i].fate == HANDED_REFUSED)
			v[n++] = (struct dsn_row){
				.final_recipient = sent->recipients[i].address,
				.action = DSN_FAILED,
				.outcome = outcome_of(pool, sent->recipients[i].reply),
				.last_attempt_s = clock_wall_s(),
			};
	*n_r = n;
	return v;
}

static void put_report(struct str *out, const char *host, struct pool *pool,
	const struct drop_message *m, const struct dsn_row *rows, size_t n)
{
	struct trace_id id = trace_id_make(clock_wall_us());
	bool header_only = m->ret == DSN_RET_HDRS || m->body.n > DSN_RETURN_MAX;
	const struct dsn dsn = {
		.kind = DSN_FAILED,
		.reporting_mta = host,
		.from = pool_printf(pool, "mailer-daemon@%s", host),
		.to = m->sender,
		.message_id = pool_printf(pool, "<%s@%s>", id.s, host),
		.boundary = pool_printf(pool, "=_%s", id.s),
		.envid = m->envid,
		.now_s = clock_wall_s(),
		.arrival_s = (int64_t)m->time,
		.rows = rows,
		.nrow = n,
		.message = header_only ? span_make(m->body.p, header_length(m->body)) : m->body,
		.headers_only = header_only,
	};
	dsn_put(out, &dsn);
}

static enum handed submit_report(
	struct pickup *p, struct pool *pool, const struct drop_message *m, struct span body)
{
	struct submit_recipient to = {.address = m->sender, .reply = ""};
	struct submit_message report = {
		.sender = "",
		.envid = "",
		.notify = NOTIFY_NEVER,
		.body = body,
		.recipients = &to,
		.nrecipient = 1,
	};
	submit_send(pool, p->socket, p->conf->submit_timeout, p->conf->submit_timeout, &report);
	if (to.fate == HANDED_REFUSED)
		log_error("report about a drop file is refused to=%s reply=%s", log_q(m->sender),
			log_q(to.reply));
	return to.fate;
}

enum handed pickup_report(struct pickup *p, struct pool *pool, const struct drop_message *m,
	const struct submit_message *sent)
{
	size_t n;
	struct dsn_row *rows = rows_of(pool, sent, &n);
	if (!n || !notify_wants((unsigned)m->notify, NOTIFY_FAILURE))
		return HANDED_TAKEN;
	if (!*m->sender)
		return HANDED_REFUSED; /* RFC 5321 6.1: never to the null sender */
	struct str body = STR_INIT;
	put_report(&body, p->svc->common->hostname, pool, m, rows, n);
	enum handed fate = submit_report(p, pool, m, str_span(&body));
	str_fini(&body);
	return fate;
}
