/* One job: find the hosts, try them in turn, give every recipient an outcome. */
#include <sys/mman.h>
#include <unistd.h>

#include "base/log.h"
#include "base/utf8.h"
#include "mail/header.h"
#include "qmgr/smtp/smtp.h"

void delivery_set(struct delivery *d, size_t i, struct outcome outcome)
{
	if (d->done[i])
		return;
	d->done[i] = true;
	d->left--;
	d->job->recipients[i].outcome = outcome;
}

void delivery_set_rest(struct delivery *d, struct outcome outcome)
{
	for (size_t i = 0; i < d->job->n; i++)
		delivery_set(d, i, outcome);
}

/* The message, mapped; the file is sealed, so that it can't shrink under us. */
static bool map_message(struct delivery *d, void **map_r, size_t *len_r)
{
	uint64_t page = (uint64_t)sysconf(_SC_PAGESIZE), start = d->job->at / page * page;
	size_t skip = (size_t)(d->job->at - start);
	*map_r = NULL;
	*len_r = (size_t)d->job->size + skip;
	d->message = SPAN_LIT("");
	if (!d->job->size)
		return true;
	void *map = mmap(NULL, *len_r, PROT_READ, MAP_PRIVATE, d->job->fd, (off_t)start);
	if (map == MAP_FAILED)
		return false;
	*map_r = map;
	d->message = span_make((char *)map + skip, (size_t)d->job->size);
	return true;
}

/* What the message needs: RFC 6531 3.6 asks for SMTPUTF8 only where addresses or the header do. */
static void find_needs(struct delivery *d)
{
	const struct envelope *e = d->job->envelope;
	d->eight_bit = !utf8_is_ascii(d->message);
	bool addresses = !utf8_is_ascii(span_of(e->sender));
	for (size_t i = 0; i < d->job->n && !addresses; i++)
		addresses = !utf8_is_ascii(span_of(d->job->recipients[i].address));
	d->utf8 = addresses;
	if (e->smtputf8 && !d->utf8 && d->eight_bit)
		d->utf8 = !utf8_is_ascii(span_make(d->message.p, header_length(d->message)));
}

static bool is_sendable(const char *address)
{
	for (const unsigned char *p = (const unsigned char *)address; *p; p++)
		if (*p < ' ' || *p == 0x7f)
			return false;
	return true;
}

/* What can't be said in a command is refused before anything is said. */
static void refuse_unsendable(struct delivery *d)
{
	struct outcome bad =
		outcome_make(FATE_FAILED, "5.1.3", "The address holds control characters.");
	if (!is_sendable(d->job->envelope->sender))
		delivery_set_rest(d, outcome_make(FATE_FAILED, "5.1.7",
					     "The sender's address holds control characters."));
	for (size_t i = 0; i < d->job->n; i++)
		if (!*d->job->recipients[i].address || !is_sendable(d->job->recipients[i].address))
			delivery_set(d, i, bad);
}

/* All transactions that the connection is good for. False: it broke, *why says how. */
static bool use_link(struct delivery *d, struct link *link, struct outcome *why)
{
	enum transaction_end end;
	do
		end = transaction_run(d, link, why);
	while (end == TRANSACTION_MORE);
	if (end == TRANSACTION_LOST) {
		link_drop(&link);
		return false;
	}
	idle_put(&link);
	return true;
}

/* A temporary refusal of one host says more than a permanent one of another. */
static void keep_worse(struct outcome *last, struct outcome now)
{
	if (last->status && last->fate == FATE_DEFERRED && now.fate == FATE_FAILED)
		return;
	*last = now;
}

static void try_hosts(struct delivery *d, const struct target *target)
{
	struct peer *peers;
	struct outcome last = {0}, why;
	size_t n = target_peers(d->agent, d->pool, target, &peers, &why);
	bool reached = false;
	if (!n) {
		d->job->host_down = why.fate == FATE_DEFERRED;
		delivery_set_rest(d, why);
		return;
	}
	for (size_t i = 0; i < n && d->left; i++) {
		struct link *link = link_open(d->agent, d->pool, target, &peers[i], &why);
		if (link && use_link(d, link, &why)) {
			reached = true;
			break;
		}
		keep_worse(&last, why);
	}
	d->job->host_down = !reached && last.fate == FATE_DEFERRED;
	if (last.status)
		delivery_set_rest(d, last);
}

static void try_all(struct delivery *d)
{
	struct target target;
	struct outcome why;
	const char *err;
	if (target_find(d->agent, d->pool, d->job->destination, &target, &err) < 0) {
		delivery_set_rest(d, outcome_make(FATE_DEFERRED, "4.3.5", err));
		return;
	}
	struct link *link = idle_take(d->agent, target.key);
	if (link && use_link(d, link, &why))
		return;
	if (d->left) /* an idle connection that broke proves nothing */
		try_hosts(d, &target);
}

static void log_outcomes(const struct delivery *d)
{
	for (size_t i = 0; i < d->job->n; i++) {
		const struct agent_recipient *r = &d->job->recipients[i];
		log_debug("%s to=<%s> host=%s status=%s text=%s", fate_name(r->outcome.fate),
			r->address,
			r->outcome.remote_mta && *r->outcome.remote_mta ? r->outcome.remote_mta
									: "-",
			r->outcome.status, log_q(r->outcome.text));
	}
}

static void with_trace(struct delivery *d, void (*run)(struct delivery *d))
{
	struct log_context ctx = {.trace = d->job->envelope->trace.s},
			   *outer = log_context_swap(&ctx);
	run(d);
	log_outcomes(d);
	log_context_swap(outer);
}

void smtp_deliver(struct smtp_agent *agent, struct agent_job *job)
{
	struct delivery d = {.agent = agent, .job = job, .pool = job->pool, .left = job->n};
	void *map;
	size_t len;
	d.done = pool_array(d.pool, job->n, sizeof(*d.done));
	if (!map_message(&d, &map, &len)) {
		delivery_set_rest(
			&d, outcome_make(FATE_DEFERRED, "4.3.0", "The message can't be read."));
		return;
	}
	find_needs(&d);
	refuse_unsendable(&d);
	if (d.left)
		with_trace(&d, try_all);
	if (map)
		munmap(map, len);
}
