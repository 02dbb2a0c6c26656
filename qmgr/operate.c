#include "qmgr/operate.h"

#include <stdlib.h>

#include "base/clock.h"
#include "base/num.h"
#include "mail/address.h"
#include "qmgr/dispatch.h"
#include "qmgr/ledger.h"
#include "qmgr/load.h"
#include "qmgr/message.h"
#include "queue/messages.h"

#define PAGE	   200
#define KNOWN_MS 5000 /* longest wait for the scanner after a start */
#define LIST_MAX   1000 /* messages in one reply */
#define HEAD_MAX   (64u * 1024)
#define SYNC_EVERY 1000 /* changes between two commits */

/* Where a message is; it may be gone or parked by the time it is looked at. */
struct place {
	char trace[TRACE_ID_LEN + 1];
	uint64_t segment, at;
};

/* All messages in the order of their trace ids: those in memory, sorted, beside pages of rows. */
struct walk {
	struct qmgr *q;
	struct pool *pool, *page_pool;
	ARRAY(struct place) active;
	size_t active_at;
	struct ledger_place *rows;
	size_t nrows, rows_at;
	char last[TRACE_ID_LEN + 1]; /* of the rows read */
	bool rows_end;
};

static int compare_places(const void *a, const void *b)
{
	return strcmp(((const struct place *)a)->trace, ((const struct place *)b)->trace);
}

static void walk_init(struct walk *w, struct qmgr *q, struct pool *pool, const char *after)
{
	size_t at = 0;
	struct span key;
	void *value;
	*w = (struct walk){
		.q = q, .pool = pool, .page_pool = pool_new("rows"), .active = ARRAY_IN(pool)};
	memcpy(w->last, after, num_min(strlen(after), TRACE_ID_LEN));
	while (hash_next(q->active, &at, &key, &value)) {
		const struct message *m = value;
		if (strcmp(m->env.trace.s, after) <= 0)
			continue;
		struct place *p = array_add(&w->active);
		memcpy(p->trace, m->env.trace.s, sizeof(p->trace));
		p->segment = m->segment->id;
		p->at = m->at;
	}
	if (w->active.n)
		qsort(w->active.v, w->active.n, sizeof(*w->active.v), compare_places);
}

static void walk_fini(struct walk *w)
{
	pool_free(&w->page_pool);
}

static void next_page(struct walk *w)
{
	pool_reset(w->page_pool);
	w->nrows = ledger_places(w->q->ledger, w->last, *w->last, PAGE, w->page_pool, &w->rows);
	w->rows_at = 0;
	w->rows_end = w->nrows < PAGE;
	if (w->nrows) /* NOLINTNEXTLINE(clang-analyzer-core.NonNullParamChecker): so many rows are there */
		memcpy(w->last, w->rows[w->nrows - 1].trace, sizeof(w->last));
}

/* A message with a row that is in memory too comes once, from there. */
static const struct ledger_place *next_row(struct walk *w)
{
	for (;;) {
		while (w->rows_at == w->nrows) {
			if (w->rows_end)
				return NULL;
			next_page(w);
		}
		struct ledger_place *p = &w->rows[w->rows_at];
		/* NOLINTNEXTLINE(clang-analyzer-core.NullDereference): one of nrows */
		if (!message_find(w->q, p->segment, p->at))
			return p;
		w->rows_at++;
	}
}

static bool walk_next(struct walk *w, struct place *place_r)
{
	const struct ledger_place *row = next_row(w);
	const struct place *active = w->active_at < w->active.n ? &w->active.v[w->active_at] : NULL;
	if (!row && !active)
		return false;
	if (active && (!row || strcmp(active->trace, row->trace) <= 0)) {
		*place_r = *active;
		w->active_at++;
		return true;
	}
	memcpy(place_r->trace, row->trace, sizeof(place_r->trace));
	place_r->segment = row->segment;
	place_r->at = row->at;
	w->rows_at++;
	return true;
}

/* --- what is known of one --- */

struct found {
	struct message *m; /* in memory; else only the row */
	struct queue_row row;
};

/* False when it is gone or about to. Does not wait for a message in memory. */
static bool look(struct qmgr *q, const struct place *p, struct pool *pool, struct found *f)
{
	*f = (struct found){.m = message_find(q, p->segment, p->at)};
	if (f->m) {
		message_row(f->m, &f->row);
		return true;
	}
	int rc = ledger_row(q->ledger, p->segment, p->at, pool, &f->row);
	f->m = message_find(q, p->segment, p->at); /* it may have come due meanwhile */
	if (f->m)
		message_row(f->m, &f->row);
	return (rc == 1 && !f->row.done) || f->m;
}

static const char *state_of(const struct found *f)
{
	if (f->row.held)
		return "held";
	return f->m && f->m->phase != PHASE_PARKING ? "active" : "deferred";
}

struct filter {
	const char *trace, *sender, *recipient, *domain, *state;
};

static bool take_word(const char *match, const char *word, const char **value_r)
{
	size_t n = strlen(word);
	if (strncmp(match, word, n) != 0)
		return false;
	*value_r = match + n;
	return true;
}

static void filter_init(struct filter *f, const char *match, const char *state)
{
	*f = (struct filter){.state = state};
	if (*match && !take_word(match, "sender=", &f->sender) &&
		!take_word(match, "recipient=", &f->recipient) &&
		!take_word(match, "domain=", &f->domain))
		f->trace = match;
}

static bool has_recipient(const struct queue_row *row, const char *address, const char *domain)
{
	for (size_t i = 0; i < row->n; i++) {
		const char *a = row->recipients[i].address, *at = strrchr(a, '@');
		if (address ? span_ieq(span_of(a), span_of(address))
			    : at && span_ieq(span_of(at + 1), span_of(domain)))
			return true;
	}
	return false;
}

static bool is_null_path(const char *s)
{
	return strcmp(s, "<>") == 0;
}

static bool filter_takes(const struct filter *f, const struct found *found)
{
	const struct queue_row *row = &found->row;
	if (f->trace && !span_ieq(span_of(f->trace), span_of(row->trace)))
		return false;
	if (f->sender &&
		!span_ieq(span_of(is_null_path(f->sender) ? "" : f->sender), span_of(row->sender)))
		return false;
	if ((f->recipient || f->domain) && !has_recipient(row, f->recipient, f->domain))
		return false;
	return !f->state || !*f->state || strcmp(f->state, state_of(found)) == 0;
}

/* Ids are exact, so a walk for one begins just before it. */
static const char *walk_from(const struct filter *f, const char *after, struct pool *pool)
{
	struct trace_id id;
	if (!f->trace || !trace_id_parse(span_of(f->trace), &id))
		return after;
	char *before = pool_strndup(pool, id.s, TRACE_ID_LEN);
	before[TRACE_ID_LEN - 1]--; /* the digits are above ' ' */
	return strcmp(before, after) > 0 ? before : after;
}

static bool is_past(const struct filter *f, const struct place *p)
{
	return f->trace && strlen(f->trace) == TRACE_ID_LEN && strcasecmp(p->trace, f->trace) > 0;
}

/* --- list and show --- */

static const char *const recipient_states[] = {
	[RCPT_WAITING] = "queued",
	[RCPT_SENT] = "active",
	[RCPT_FAILED] = "failed",
	[RCPT_EXPANDED] = "expanded",
	[RCPT_DONE] = "done",
};

static struct ipc_list recipient_infos(const struct found *f, struct pool *pool)
{
	struct queue_recipient_info *v = pool_array(pool, f->row.n, sizeof(*v));
	for (size_t i = 0; i < f->row.n; i++) {
		const struct queue_recipient *r = &f->row.recipients[i];
		bool waits = r->state == RCPT_WAITING;
		v[i] = (struct queue_recipient_info){
			.address = pool_strdup(pool, r->address),
			.state = waits && f->row.held		   ? "held"
				 : waits && *r->last.status == '4' ? "deferred"
								   : recipient_states[r->state],
			.agent = pool_strdup(pool, r->agent),
			.status = pool_strdup(pool, r->last.status),
			.text = pool_strdup(pool, r->last.text),
			.next_attempt = waits ? f->row.next_s : 0,
			.attempts = r->attempts,
		};
	}
	return (struct ipc_list){v, f->row.n};
}

static void describe_origin(
	const struct envelope *env, struct pool *pool, struct queue_message_info *info)
{
	info->auth_user = pool_strdup(pool, env->auth_user);
	info->remote = *env->remote_ip ? pool_printf(pool, "%s[%s]",
						 *env->remote_host ? env->remote_host : "unknown",
						 env->remote_ip)
				       : "";
}

/* The envelope of a parked message has to be read. */
static void describe_parked(
	struct qmgr *q, const struct place *p, struct pool *pool, struct queue_message_info *info)
{
	struct segment *s = spool_find(q->spool, p->segment);
	struct segment_record rec;
	struct envelope env;
	struct str blob = STR_IN(pool);
	info->remote = info->auth_user = "";
	if (!s)
		return;
	s->active++; /* so that it stays while we read */
	if (spool_read(s, p->at, &blob, &rec) == SEGMENT_FOUND &&
		envelope_parse(rec.envelope, pool, &env) == 0)
		describe_origin(&env, pool, info);
	s->active--;
}

static void describe(struct qmgr *q, const struct place *p, const struct found *f,
	struct pool *pool, struct queue_message_info *info)
{
	*info = (struct queue_message_info){
		.trace = pool_strdup(pool, f->row.trace),
		.sender = pool_strdup(pool, f->row.sender),
		.state = state_of(f),
		.arrival = f->row.arrival_s,
		.expires = message_expires(q, f->row.sender, f->row.arrival_s),
		.size = f->row.size,
		.recipients = recipient_infos(f, pool),
	};
	if (f->m)
		describe_origin(&f->m->env, pool, info);
	else
		describe_parked(q, p, pool, info);
}

static uint64_t count_all(struct qmgr *q)
{
	uint64_t n = ledger_rows(q->ledger);
	size_t at = 0;
	struct span key;
	void *value;
	while (hash_next(q->active, &at, &key, &value))
		n += ((const struct message *)value)->row_due == NO_ROW;
	return n;
}

static void run_list(struct ipc_server_conn *conn, struct ipc_request *rq, void *arg)
{
	const struct queue_list_request *body = arg;
	struct qmgr *q = ipc_conn_arg(conn);
	size_t limit = num_min(body->limit ? body->limit : LIST_MAX, LIST_MAX);
	struct queue_message_info *v = pool_array(rq->pool, limit, sizeof(*v));
	spool_wait_until_known(q->spool, io_deadline(KNOWN_MS));
	struct queue_list_reply reply = {.total = count_all(q), .messages = {v, 0}};
	struct filter filter;
	struct walk walk;
	struct place place;
	filter_init(&filter, body->match, body->state);
	walk_init(&walk, q, rq->pool, walk_from(&filter, body->after, rq->pool));
	while (reply.messages.n < limit && walk_next(&walk, &place) && !is_past(&filter, &place)) {
		struct found f;
		if (look(q, &place, rq->pool, &f) && filter_takes(&filter, &f))
			describe(q, &place, &f, rq->pool, &v[reply.messages.n++]);
		fiber_breathe();
	}
	walk_fini(&walk);
	ipc_reply(conn, rq, &reply);
}

static struct span read_head(struct qmgr *q, const struct place *p, struct pool *pool)
{
	struct segment *s = spool_find(q->spool, p->segment);
	struct segment_record rec;
	struct str blob = STR_IN(pool), head = STR_IN(pool);
	if (!s)
		return span_make("", 0);
	s->active++;
	if (spool_read(s, p->at, &blob, &rec) == SEGMENT_FOUND) {
		size_t n = num_min(rec.body_size, HEAD_MAX);
		ssize_t got = io_pread(s->fd, str_reserve(&head, n), n, rec.body_at);
		head.len = got > 0 ? (size_t)got : 0;
	}
	s->active--;
	return str_span(&head);
}

static void run_show(struct ipc_server_conn *conn, struct ipc_request *rq, void *arg)
{
	const struct queue_show_request *body = arg;
	struct qmgr *q = ipc_conn_arg(conn);
	struct queue_show_reply reply = {0};
	struct filter filter;
	struct walk walk;
	struct place place;
	struct found f;
	bool found = false;
	filter_init(&filter, body->trace, "");
	walk_init(&walk, q, rq->pool, walk_from(&filter, "", rq->pool));
	while (!found && filter.trace && walk_next(&walk, &place) && !is_past(&filter, &place))
		found = look(q, &place, rq->pool, &f) && filter_takes(&filter, &f);
	walk_fini(&walk);
	if (!found) {
		ipc_refuse(conn, rq,
			pool_printf(rq->pool, "There is no message %s in the queue.", body->trace));
		return;
	}
	describe(q, &place, &f, rq->pool, &reply.info);
	reply.head = read_head(q, &place, rq->pool);
	ipc_reply(conn, rq, &reply);
}

/* --- actions --- */

/* True when it changed something. Does not wait. */
typedef bool (*action_fn)(struct message *m);

static bool act_hold(struct message *m)
{
	if (m->held)
		return false;
	message_hold(m);
	return true;
}

static bool act_release(struct message *m)
{
	if (!m->held)
		return false;
	message_release(m);
	return true;
}

static bool act_flush(struct message *m)
{
	if (m->held)
		return false;
	if (m->phase == PHASE_PARKING)
		message_release(m);
	return true;
}

static bool act_remove(struct message *m)
{
	struct log_context *before = log_context_swap(&m->log);
	log_info("removed by an operator from=%s", log_q(m->env.sender));
	log_context_swap(before);
	message_remove(m);
	return true;
}

static const struct {
	const char *name;
	action_fn run;
} actions[] = {
	{"hold", act_hold},
	{"release", act_release},
	{"flush", act_flush},
	{"remove", act_remove},
};

static bool act_on(struct qmgr *q, const struct place *p, const struct filter *filter,
	action_fn run, struct pool *pool)
{
	struct found f;
	if (!look(q, p, pool, &f) || !filter_takes(filter, &f))
		return false;
	struct message *m = load_message(q->loader, p->segment, p->at);
	if (!m || m->removed)
		return false;
	bool changed = run(m);
	if (!changed)
		message_put_back(m);
	return changed;
}

static uint64_t act_on_all(
	struct qmgr *q, const struct filter *filter, action_fn run, struct pool *pool)
{
	struct pool *one = pool_new("action");
	struct walk walk;
	struct place place;
	uint64_t n = 0;
	walk_init(&walk, q, pool, walk_from(filter, "", pool));
	while (walk_next(&walk, &place) && !is_past(filter, &place)) {
		if (act_on(q, &place, filter, run, one) && ++n % SYNC_EVERY == 0)
			ledger_sync(q->ledger);
		pool_reset(one);
		fiber_breathe();
	}
	walk_fini(&walk);
	pool_free(&one);
	return n;
}

static void run_action(struct ipc_server_conn *conn, struct ipc_request *rq, void *arg)
{
	const struct queue_action_request *body = arg;
	struct qmgr *q = ipc_conn_arg(conn);
	struct filter filter;
	size_t i = 0;
	while (i < COUNT_OF(actions) && strcmp(actions[i].name, body->action) != 0)
		i++;
	if (i == COUNT_OF(actions)) {
		ipc_refuse(conn, rq, pool_printf(rq->pool, "There is no action %s.", body->action));
		return;
	}
	if (!body->all == !*body->match) {
		ipc_refuse(conn, rq, "An action needs either a match or all messages.");
		return;
	}
	filter_init(&filter, body->match, "");
	if (actions[i].run == act_flush)
		dispatch_open_all(q->dispatch);
	struct queue_action_reply reply = {
		.count = act_on_all(q, &filter, actions[i].run, rq->pool)};
	ledger_sync(q->ledger); /* rule 3: what an operator did stays done */
	ipc_reply(conn, rq, &reply);
}

static const struct ipc_handler handlers[] = {
	{&queue_list_request_msg, &queue_list_reply_msg, run_list, false},
	{&queue_show_request_msg, &queue_show_reply_msg, run_show, false},
	{&queue_action_request_msg, &queue_action_reply_msg, run_action, false},
};

void operate_serve(struct qmgr *q, int fd)
{
	ipc_serve(fd, handlers, COUNT_OF(handlers), q, NULL);
}
