/*
 * One message on one connection (RFC 5321 3.3, RFC 2920, RFC 2033). With PIPELINING a group is
 * MAIL, up to GROUP_RCPTS recipients, and DATA with the last of them: never so much that both sides
 * could wait for the other to read. What was sent is always answered before anything else is: the
 * dialogue never gets out of step.
 */
#include "base/log.h"
#include "qmgr/smtp/smtp.h"
#include "smtp/build.h"
#include "smtp/data.h"

#define GROUP_RCPTS 100

struct transaction {
	struct delivery *d;
	struct link *l;
	size_t *rcpts;       /* recipients of this transaction, as indexes */
	size_t n, sent, answered;
	size_t *accepted;    /* those the peer took */
	size_t naccepted;
	bool mail_ok, data_sent, later; /* later: "too many recipients" was among the replies */
	struct outcome *lost;
	struct str line;
};

static bool fail_lost(struct transaction *t, const char *doing)
{
	*t->lost = link_lost(t->d->pool, t->l, doing);
	return false;
}

/* A reply to what was sent. 421 means that the peer closes: as good as lost. */
static bool get_reply(struct transaction *t, const char *doing, int64_t timeout)
{
	if (!link_read_reply(t->l, timeout))
		return fail_lost(t, doing);
	if (t->l->reply.code == 421) {
		*t->lost = link_outcome(t->d->pool, t->l);
		stream_fail(t->l->stream, "The peer closes the connection.");
		return false;
	}
	return true;
}

static int64_t patience(const struct transaction *t)
{
	return t->d->agent->conf->command_timeout;
}

static void put_mail(struct transaction *t)
{
	const struct envelope *e = t->d->job->envelope;
	const struct smtp_mail_out mail = {
		.sender = e->sender,
		.size = t->d->message.n,
		.eight_bit = e->body == BODY_8BITMIME || t->d->eight_bit,
		.smtputf8 = t->d->utf8,
		.ret = e->ret,
		.envid = e->envid,
	};
	str_reset(&t->line);
	if (t->l->dirty)
		str_puts(&t->line, "RSET\r\n");
	smtp_put_mail(&t->line, &mail, t->l->caps.extensions);
	stream_write_span(t->l->stream, str_span(&t->line));
}

/* Addresses that can't be put into a command have got their outcome before: smtp_put_rcpt can't
 * fail here. */
static void put_rcpts(struct transaction *t, size_t most)
{
	const struct agent_job *job = t->d->job;
	str_reset(&t->line);
	for (; most && t->sent < t->n; most--, t->sent++) {
		const struct agent_recipient *r = &job->recipients[t->rcpts[t->sent]];
		smtp_put_rcpt(&t->line, r->address, r->envelope, t->l->caps.extensions, t->d->utf8);
	}
	stream_write_span(t->l->stream, str_span(&t->line));
}

static void put_data(struct transaction *t)
{
	stream_puts(t->l->stream, "DATA\r\n");
	t->data_sent = true;
}

static void put_group(struct transaction *t)
{
	bool pipelining = t->l->caps.extensions & SMTP_EXT_PIPELINING;
	link_set_deadline(t->l, patience(t));
	put_rcpts(t, pipelining ? GROUP_RCPTS : 1);
	if (pipelining && t->sent == t->n)
		put_data(t);
}

/* RFC 5321 4.5.3.1.10: 452, and 552 from the old, after others were taken: send the rest in another
 * transaction. */
static bool is_too_many(const struct transaction *t)
{
	const struct smtp_reply *r = &t->l->reply;
	bool status = strcmp(r->status, "4.5.3") == 0 || strcmp(r->status, "5.5.3") == 0;
	return t->naccepted && (status || ((r->code == 452 || r->code == 552) && !r->status[0]));
}

static void take_rcpt_reply(struct transaction *t)
{
	size_t i = t->rcpts[t->answered];
	if (!t->mail_ok)
		return;
	if (smtp_reply_class(&t->l->reply) == 2)
		t->accepted[t->naccepted++] = i;
	else if (is_too_many(t))
		t->later = true;
	else
		delivery_set(t->d, i, link_outcome(t->d->pool, t->l));
}

static void set_accepted(struct transaction *t, struct outcome o)
{
	for (size_t k = 0; k < t->naccepted; k++)
		delivery_set(t->d, t->accepted[k], o);
}

static struct outcome delivered(const struct transaction *t)
{
	struct pool *pool = t->d->pool;
	const struct smtp_reply *r = &t->l->reply;
	enum fate fate = t->l->caps.extensions & SMTP_EXT_DSN ? FATE_HANDED_ON
		: t->l->lmtp				      ? FATE_DELIVERED
							      : FATE_RELAYED;
	struct outcome o = outcome_make(fate,
		r->status[0] == '2' ? pool_strdup(pool, r->status) : "2.0.0",
		smtp_reply_line(pool, r));
	o.remote_mta = pool_strdup(pool, t->l->host);
	return o;
}

static bool open_transaction(struct transaction *t)
{
	bool pipelining = t->l->caps.extensions & SMTP_EXT_PIPELINING, dirty = t->l->dirty;
	link_set_deadline(t->l, patience(t));
	put_mail(t);
	t->l->dirty = true;
	if (pipelining)
		put_group(t);
	if (dirty && !get_reply(t, "sending RSET", patience(t)))
		return false;
	if (!get_reply(t, "sending MAIL FROM", patience(t)))
		return false;
	t->mail_ok = smtp_reply_class(&t->l->reply) == 2;
	if (!t->mail_ok)
		delivery_set_rest(t->d, link_outcome(t->d->pool, t->l));
	return true;
}

static bool send_rcpts(struct transaction *t)
{
	while (t->answered < t->sent || (t->mail_ok && t->sent < t->n)) {
		if (t->answered == t->sent)
			put_group(t);
		if (!get_reply(t, "sending RCPT TO", patience(t)))
			return false;
		take_rcpt_reply(t);
		t->answered++;
	}
	return true;
}

static void write_text(struct transaction *t)
{
	struct smtp_stuff stuff;
	struct span rest = t->d->message, run;
	smtp_stuff_init(&stuff);
	/* A host that takes less than an octet each millisecond wants something else. */
	link_set_deadline(t->l, patience(t) + (int64_t)t->d->message.n);
	while (smtp_stuff_next(&stuff, &rest, &run)) {
		stream_write_span(t->l->stream, run);
		fiber_breathe();
	}
	stream_write_span(t->l->stream, smtp_stuff_end(&stuff));
	stream_flush(t->l->stream);
}

/* From the final dot on the peer may have the message: whoever got no answer is tried again later,
 * not on another host now. */
static bool end_of_text(struct transaction *t)
{
	size_t replies = t->l->lmtp ? t->naccepted : 1;
	for (size_t k = 0; k < replies; k++) {
		if (!get_reply(
			    t, "sending the end of the message", t->d->agent->conf->data_timeout)) {
			for (; k < t->naccepted; k++)
				delivery_set(t->d, t->accepted[k], *t->lost);
			return false;
		}
		bool ok = smtp_reply_class(&t->l->reply) == 2;
		struct outcome o = ok ? delivered(t) : link_outcome(t->d->pool, t->l);
		if (t->l->lmtp)
			delivery_set(t->d, t->accepted[k], o);
		else
			set_accepted(t, o);
	}
	t->l->dirty = false;
	return true;
}

static bool send_text(struct transaction *t)
{
	if (!t->data_sent) {
		if (!t->naccepted)
			return true;
		put_data(t);
	}
	if (!get_reply(t, "sending DATA", patience(t)))
		return false;
	bool go = t->l->reply.code == 354;
	if (go && !t->naccepted) { /* it takes a message for nobody: an empty one */
		stream_puts(t->l->stream, ".\r\n");
		return get_reply(t, "ending an empty message", patience(t));
	}
	if (!go) {
		set_accepted(t, link_outcome(t->d->pool, t->l));
		return true;
	}
	write_text(t);
	return end_of_text(t);
}

/* What this peer can't take at all (RFC 6152 3, RFC 6531 3.6, RFC 1870 6). */
static bool can_take(struct transaction *t)
{
	const struct delivery *d = t->d;
	const struct smtp_capabilities *caps = &t->l->caps;
	struct outcome o = {.fate = FATE_FAILED, .remote_mta = pool_strdup(d->pool, t->l->host)};
	if (d->utf8 && !(caps->extensions & SMTP_EXT_UTF8)) {
		o.status = "5.6.7";
		o.text = pool_printf(
			d->pool, "%s takes no internationalized mail (SMTPUTF8)", t->l->text);
	} else if (d->eight_bit && d->job->envelope->body == BODY_8BITMIME &&
		!(caps->extensions & SMTP_EXT_8BITMIME)) {
		o.status = "5.6.3";
		o.text = pool_printf(d->pool, "%s takes no 8-bit text (8BITMIME)", t->l->text);
	} else if (caps->size_limit && d->message.n > caps->size_limit) {
		o.status = "5.3.4";
		o.text = pool_printf(d->pool, "%s takes messages of at most %llu octets",
			t->l->text, (unsigned long long)caps->size_limit);
	} else {
		return true;
	}
	delivery_set_rest(t->d, o);
	return false;
}

static void collect(struct transaction *t)
{
	t->rcpts = pool_array(t->d->pool, t->d->left, sizeof(*t->rcpts));
	t->accepted = pool_array(t->d->pool, t->d->left, sizeof(*t->accepted));
	for (size_t i = 0; i < t->d->job->n; i++)
		if (!t->d->done[i])
			t->rcpts[t->n++] = i;
}

enum transaction_end transaction_run(
	struct delivery *d, struct link *link, struct outcome *outcome_r)
{
	struct transaction t = {.d = d, .l = link, .lost = outcome_r, .line = STR_IN(d->pool)};
	if (!can_take(&t))
		return TRANSACTION_DONE;
	collect(&t);
	link->messages++;
	if (!open_transaction(&t) || !send_rcpts(&t) || !send_text(&t))
		return TRANSACTION_LOST;
	return d->left && t.later ? TRANSACTION_MORE : TRANSACTION_DONE;
}
