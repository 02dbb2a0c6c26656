#include "base/log.h"
#include "local/local.h"
#include "mail/address.h"
#include "mail/date.h"
#include "mail/received.h"
#include "mail/summary.h"

#define PARALLEL_MAX   16	     /* recipients of one message at a time */
#define SUMMARY_INLINE (256u * 1024) /* a larger message is parsed by a helper thread */

/* One message on its way into mailboxes. */
struct delivery {
	struct local *l;
	struct agent_job *job;
	struct str message, summary;
	struct summary parsed;
	struct blob blob;
	enum { BLOB_NONE, BLOB_ON_ITS_WAY, BLOB_STORED } blob_state;
	enum store_status blob_status;
	struct fiber_cond blob_stored;
	struct date now;
	size_t next; /* the next recipient that has no fiber yet */
	struct fiber_group fibers;
};

/* --- outcomes --- */

struct verdict {
	enum fate fate;
	const char *status, *text;
};

static const struct verdict verdicts[] = {
	[STORE_OK] = {FATE_DELIVERED, "2.0.0", "Delivered to the mailbox."},
	[STORE_NOT_FOUND] = {FATE_DEFERRED, "4.2.0", "The mailbox is not there."},
	[STORE_EXISTS] = {FATE_DEFERRED, "4.3.0", "The mailbox can't be made."},
	[STORE_INVALID] = {FATE_FAILED, "5.3.0", "The message can't be stored."},
	[STORE_DENIED] = {FATE_DEFERRED, "4.2.1", "The mailbox takes no messages."},
	[STORE_OVER_QUOTA] = {FATE_DEFERRED, "4.2.2", "The account is over its quota."},
	[STORE_TOO_MANY] = {FATE_DEFERRED, "4.2.2",
		"The mailbox holds as many messages as it can."},
	[STORE_BUSY] = {FATE_DEFERRED, "4.2.0", "The account is busy."},
	[STORE_DISK_FULL] = {FATE_DEFERRED, "4.3.1", "The disk of the message store is full."},
	[STORE_DAMAGED] = {FATE_DEFERRED, "4.3.0", "The account's files are damaged."},
	[STORE_FAILED] = {FATE_DEFERRED, "4.3.0", "The message store failed."},
};

static struct outcome verdict_of(const struct local *l, enum store_status status)
{
	const struct verdict *v = &verdicts[status];
	if (status == STORE_OVER_QUOTA && strcmp(l->conf->over_quota, "bounce") == 0)
		return outcome_make(FATE_FAILED, "5.2.2", v->text);
	return outcome_make(v->fate, v->status, v->text);
}

static void set_all(struct agent_job *job, struct outcome o)
{
	for (size_t i = 0; i < job->n; i++)
		job->recipients[i].outcome = o;
}

/* --- memory --- */

static void take_memory(struct local *l, uint64_t n)
{
	while (l->memory && l->memory + n > l->conf->memory_max)
		fiber_wait(&l->memory_freed, IO_FOREVER);
	l->memory += n;
}

static void give_memory(struct local *l, uint64_t n)
{
	l->memory -= n;
	fiber_wake_all(&l->memory_freed);
}

/* --- the message --- */

static int read_message(struct delivery *d)
{
	const struct agent_job *job = d->job;
	return_path_put(&d->message, job->envelope->sender);
	char *to = str_reserve(&d->message, job->size);
	if (io_pread(job->fd, to, job->size, job->at) != (ssize_t)job->size)
		return -1;
	d->message.len += job->size;
	return 0;
}

static int do_summarize(void *arg)
{
	struct delivery *d = arg;
	mail_summarize(str_span(&d->message), &d->summary);
	return 0;
}

static enum store_status put_blob(struct delivery *d)
{
	const struct agent_job *job = d->job;
	const char **readers = pool_array(job->pool, job->n, sizeof(*readers));
	for (size_t i = 0; i < job->n; i++)
		readers[i] = job->recipients[i].account;
	return blob_put(d->l->store, str_span(&d->message), readers, job->n, &d->blob);
}

/* Once, for the first recipient that has room for it: a message that nobody takes would stay in the
 * packs with each attempt anew. */
static enum store_status store_blob(struct delivery *d)
{
	while (d->blob_state == BLOB_ON_ITS_WAY)
		fiber_wait(&d->blob_stored, IO_FOREVER);
	if (d->blob_state == BLOB_NONE) {
		d->blob_state = BLOB_ON_ITS_WAY;
		d->blob_status = put_blob(d);
		d->blob_state = BLOB_STORED;
		fiber_wake_all(&d->blob_stored);
	}
	return d->blob_status;
}

static enum store_status prepare(struct delivery *d)
{
	if (read_message(d) < 0) {
		log_error("a message can't be read from its segment: %m");
		return STORE_FAILED;
	}
	if (d->message.len > SUMMARY_INLINE)
		io_call(do_summarize, d);
	else
		do_summarize(d);
	if (summary_parse(str_span(&d->summary), &d->parsed) < 0)
		log_panic("local: a summary just made can't be read");
	d->now = date_now();
	return STORE_OK;
}

/* --- one recipient --- */

/* user+name goes to mailbox name, if there is one and the configuration wants it. */
static const char *wanted_mailbox(struct delivery *d, const struct agent_recipient *r)
{
	const struct local *l = d->l;
	const char *delimiter = l->svc->common->recipient_delimiter, *err;
	struct span user, detail;
	struct address a;
	if (!l->conf->detail_mailbox || !*delimiter ||
		address_parse(span_of(r->address), ADDRESS_UTF8_OK | ADDRESS_NO_DOMAIN_OK,
			d->job->pool, &a, &err) < 0)
		return l->conf->mailbox;
	address_split_detail(span_of(a.local), *delimiter, &user, &detail);
	return detail.p && detail.n ? pool_span(d->job->pool, detail) : l->conf->mailbox;
}

static enum store_status find_mailbox(struct delivery *d, struct account *a,
	const struct agent_recipient *r, struct mailbox_info *info)
{
	struct pool *pool = d->job->pool;
	const char *name = wanted_mailbox(d, r);
	enum store_status status = mailbox_find(a, pool, name, false, info);
	if (status == STORE_OK && info->id && !(info->flags & MAILBOX_NOSELECT))
		return STORE_OK;
	status = mailbox_find(a, pool, d->l->conf->mailbox, false, info);
	if (status == STORE_NOT_FOUND)
		status = mailbox_find(a, pool, "INBOX", false, info);
	return status;
}

static enum store_status append(
	struct delivery *d, struct account *a, const struct agent_recipient *r)
{
	const struct agent_job *job = d->job;
	struct mailbox_info info;
	enum store_status status = find_mailbox(d, a, r, &info);
	if (status != STORE_OK)
		return status;
	int64_t sent = d->parsed.sent_s != SUMMARY_NO_DATE ? d->parsed.sent_s : d->now.utc_s;
	struct append what = {
		.blob = {.size = (uint32_t)d->message.len},
		.summary = str_span(&d->summary),
		.header_size = d->parsed.header_len,
		.internal_date = d->now.utc_s,
		.zone = d->now.zone_min,
		.sent_date = sent > 0 ? (uint64_t)sent : 0,
		.delivery_id = pool_printf(job->pool, "%s/%s", job->envelope->trace.s, r->address),
		.trace = job->envelope->trace.s,
	};
	status = mailbox_may_append(a, info.id, &what, 1);
	if (status == STORE_OK)
		status = store_blob(d);
	if (status != STORE_OK)
		return status;
	what.blob = d->blob;
	return local_append(d->l, a, r->account, info.id, &what);
}

static void deliver_one(struct delivery *d, struct agent_recipient *r)
{
	const struct account_limits limits = {
		.bytes = r->limits.quota_bytes, .messages = r->limits.quota_messages};
	struct account *a;
	enum store_status status = account_open(d->l->store, r->account, true, &limits, &a);
	if (status == STORE_OK) {
		status = append(d, a, r);
		account_close(&a);
	}
	if (status == STORE_OK || status == STORE_OVER_QUOTA)
		quota_set(d->l, r->account, &limits, status == STORE_OVER_QUOTA);
	r->outcome = verdict_of(d->l, status);
}

static void deliver_some(void *arg)
{
	struct delivery *d = arg;
	struct log_context log = {.trace = d->job->envelope->trace.s};
	log_context_swap(&log);
	while (d->next < d->job->n)
		deliver_one(d, &d->job->recipients[d->next++]);
	log_context_swap(NULL);
	fiber_group_leave(&d->fibers);
}

/* This fiber does its share, and alone when there is one recipient. */
static void deliver_all(struct delivery *d)
{
	for (size_t i = 1; i < d->job->n && i < PARALLEL_MAX; i++) {
		fiber_group_enter(&d->fibers);
		fiber_start("deliver", deliver_some, d);
	}
	while (d->next < d->job->n)
		deliver_one(d, &d->job->recipients[d->next++]);
	fiber_group_wait(&d->fibers, IO_FOREVER);
}

void local_deliver(struct service_ctx *svc, struct agent_job *job)
{
	struct delivery d = {.l = svc->state, .job = job};
	take_memory(d.l, job->size);
	enum store_status status = prepare(&d);
	if (status == STORE_OK)
		deliver_all(&d);
	else
		set_all(job, verdict_of(d.l, status));
	str_fini(&d.message);
	str_fini(&d.summary);
	give_memory(d.l, job->size);
}
