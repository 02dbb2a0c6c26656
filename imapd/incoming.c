#include "imapd/incoming.h"

#include "imapd/alone.h"
#include "io/io.h"
#include "mail/header.h"
#include "mail/summary.h"

#define LOCK_MS 30000
/* From this size on a message is summarised on a helper thread. */
#define SUMMARIZE_APART_MIN SPILL_MEMORY_MAX

void incoming_init(struct incoming *in, struct session *s, struct pool *pool)
{
	*in = (struct incoming){.s = s, .pool = pool};
	spill_init(&in->spill, s->imapd->svc->common->store_dir);
}

void incoming_fini(struct incoming *in)
{
	spill_fini(&in->spill);
	array_fini(&in->messages);
}

bool incoming_keywords(struct incoming *in, const char *const *v, size_t n, uint64_t *bits_r)
{
	*bits_r = 0;
	for (size_t i = 0; i < n; i++) {
		unsigned bit = 0;
		while (bit < in->nkeywords && !span_ieq(span_of(in->keywords[bit]), span_of(v[i])))
			bit++;
		if (bit == MSG_KEYWORDS_MAX)
			return false;
		if (bit == in->nkeywords)
			in->keywords[in->nkeywords++] = pool_strdup(in->pool, v[i]);
		*bits_r |= UINT64_C(1) << bit;
	}
	return true;
}

/* --- making ready --- */

struct storing {
	struct incoming *in;
	struct append *v;
	struct pool *pool; /* summaries */
	size_t summaries;  /* octets */
	bool alone;
};

struct summarize {
	struct span message;
	struct str *out;
};

static int summarize_apart(void *arg)
{
	struct summarize *job = arg;

	mail_summarize(job->message, job->out);
	return 0;
}

static void summarize(struct span message, struct str *out)
{
	struct summarize job = {message, out};

	if (message.n < SUMMARIZE_APART_MIN)
		mail_summarize(message, out);
	else
		io_call(summarize_apart, &job);
}

static void put_keywords(struct storing *st, const struct incoming_message *m, struct append *to)
{
	const char **v = pool_array(st->pool, (size_t)__builtin_popcountll(m->keywords), sizeof(*v));

	to->keywords = v;
	for (uint64_t bits = m->keywords; bits; bits &= bits - 1)
		v[to->nkeywords++] = st->in->keywords[__builtin_ctzll(bits)];
}

static void describe(struct storing *st, const struct incoming_message *m, struct span message,
	struct append *to)
{
	struct str summary = STR_INIT;
	struct summary parsed;

	summarize(message, &summary);
	*to = (struct append){
		.blob = {.size = (uint32_t)message.n},
		.summary = pool_copy(st->pool, str_span(&summary)),
		.header_size = (uint32_t)header_length(message),
		.flags = m->flags,
		.internal_date = m->internal_date,
		.zone = m->zone,
		.sent_date = (uint64_t)m->internal_date,
	};
	str_fini(&summary);
	if (summary_parse(to->summary, &parsed) == 0 && parsed.sent_s != SUMMARY_NO_DATE)
		to->sent_date = (uint64_t)parsed.sent_s;
	put_keywords(st, m, to);
	st->summaries += to->summary.n;
}

/* Who has much of summaries in memory is the only one of the process that has: no client keeps it waiting. */
static void be_alone(struct storing *st)
{
	if (!st->alone && st->summaries > ALONE_MIN)
		st->alone = fiber_lock(&st->in->s->imapd->storing, IO_FOREVER) == 0;
}

static enum store_status describe_all(struct storing *st)
{
	struct incoming *in = st->in;
	struct span message;

	for (size_t i = 0; i < in->messages.n; i++) {
		const struct incoming_message *m = &in->messages.v[i];
		if (!spill_show(&in->spill, m->at, m->size, &message))
			return STORE_FAILED;
		describe(st, m, message, &st->v[i]);
		if (st->summaries > INCOMING_SUMMARIES_MAX)
			return STORE_TOO_MANY;
		be_alone(st);
		fiber_breathe();
	}
	return STORE_OK;
}

/* --- storing --- */

static enum store_status put_blobs(struct storing *st)
{
	struct incoming *in = st->in;
	const char *readers[] = {in->s->account_id};
	enum store_status status = STORE_OK;
	struct span message;

	for (size_t i = 0; i < in->messages.n && status == STORE_OK; i++) {
		const struct incoming_message *m = &in->messages.v[i];
		if (!spill_show(&in->spill, m->at, m->size, &message))
			return STORE_FAILED;
		status = blob_put(in->s->imapd->store, message, readers, 1, &st->v[i].blob);
		fiber_breathe();
	}
	return status;
}

enum store_status incoming_store(
	struct incoming *in, uint32_t mailbox, uint32_t *first_uid_r, uint32_t *uidvalidity_r)
{
	struct account *account = in->s->account;
	size_t n = in->messages.n;
	struct storing st = {.in = in, .pool = pool_new("append")};

	st.v = pool_array(st.pool, n, sizeof(*st.v));
	enum store_status status = describe_all(&st);
	if (status == STORE_OK)
		status = mailbox_may_append(account, mailbox, st.v, n);
	if (status == STORE_OK)
		status = put_blobs(&st);
	if (status == STORE_OK)
		status = mailbox_append(account, mailbox, st.v, n, io_deadline(LOCK_MS), first_uid_r,
			uidvalidity_r);
	if (st.alone)
		fiber_unlock(&in->s->imapd->storing);
	pool_free(&st.pool);
	return status;
}
