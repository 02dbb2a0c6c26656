/* A connection from connect to ready-for-MAIL, and its end. */
#include <errno.h>

#include "base/log.h"
#include "qmgr/smtp/smtp.h"

#define QUIT_TIMEOUT_MS 5000

static struct outcome deferred(struct pool *pool, const struct peer *peer, const char *status,
	const char *text)
{
	struct outcome o = outcome_make(FATE_DEFERRED, status, text);
	(void)pool;
	o.remote_mta = peer->name;
	return o;
}

/* No idle limit: octet by octet a reply, or a handshake, could last for ever. */
void link_set_deadline(struct link *link, int64_t ms)
{
	stream_set_deadline(link->stream, io_deadline(ms));
}

bool link_read_reply(struct link *link, int64_t timeout)
{
	struct span line;
	int done = 0;
	smtp_reply_reset(&link->reply);
	link_set_deadline(link, timeout);
	while (done == 0) {
		if (stream_read_line(link->stream, SMTP_REPLY_LINE_MAX, &line, NULL) != 1)
			return false;
		done = smtp_reply_add(&link->reply, line);
	}
	if (done < 0)
		stream_fail(link->stream, "The peer does not speak SMTP.");
	return done == 1;
}

struct outcome link_outcome(struct pool *pool, const struct link *link)
{
	unsigned class = smtp_reply_class(&link->reply);
	const char *text = smtp_reply_line(pool, &link->reply);
	struct outcome o = {
		.fate = class == 5 ? FATE_FAILED : FATE_DEFERRED,
		.text = text,
		.remote_mta = pool_strdup(pool, link->host),
		.status = "4.5.0", /* a reply out of place */
	};
	if (class == 4 || class == 5)
		o.status = outcome_status_of(pool, link->reply.code, str_span(&link->reply.text));
	if (!outcome_is_valid(&o)) /* "550 4.7.1": the code decides */
		o.status = class == 5 ? "5.0.0" : "4.0.0";
	return o;
}

struct outcome link_lost(struct pool *pool, const struct link *link, const char *doing)
{
	bool slow = stream_state(link->stream) == STREAM_TIMEOUT;
	struct outcome o = outcome_make(FATE_DEFERRED, "4.4.2",
		pool_printf(pool, "%s %s while %s: %s",
			slow ? "Timeout with" : "Lost connection with", link->text, doing,
			stream_error(link->stream)));
	o.remote_mta = pool_strdup(pool, link->host);
	return o;
}

static struct link *connect_to(struct smtp_agent *agent, struct pool *pool,
	const struct target *target, const struct peer *peer, struct outcome *outcome_r)
{
	bool bound = agent->bind_len && agent->bind_to.ss_family == peer->addr.ss_family;
	int fd = io_connect((const struct sockaddr *)&peer->addr, peer->len,
		bound ? (const struct sockaddr *)&agent->bind_to : NULL,
		bound ? agent->bind_len : 0, io_deadline(agent->conf->connect_timeout));
	if (fd < 0) {
		*outcome_r = deferred(pool, peer, "4.4.1",
			pool_printf(pool, "Connect to %s: %s", peer->text,
				fd == IO_TIMEOUT ? "timed out" : strerror(errno)));
		return NULL;
	}
	struct pool *own = pool_new("smtp link");
	struct link *link = pool_new_of(own, struct link);
	list_init(&link->idle_link);
	link->agent = agent;
	link->pool = own;
	link->stream = stream_new(fd);
	link->key = pool_strdup(own, target->key);
	link->host = pool_strdup(own, peer->name);
	link->text = pool_strdup(own, peer->text);
	link->lmtp = target->lmtp;
	link->may_be_us = target->may_be_us;
	link->reply.text = STR_INIT; /* not the pool's: it is filled again and again */
	return link;
}

void link_drop(struct link **link)
{
	struct link *l = *link;
	if (!l)
		return;
	*link = NULL;
	struct pool *pool = l->pool; /* holds *l itself */
	stream_close(&l->stream);
	str_fini(&l->reply.text);
	pool_free(&pool);
}

static void wait_for_bye(void *arg)
{
	struct link *l = arg;
	link_read_reply(l, QUIT_TIMEOUT_MS);
	link_drop(&l);
}

void link_quit(struct link **link)
{
	struct link *l = *link;
	if (!l)
		return;
	*link = NULL;
	link_set_deadline(l, QUIT_TIMEOUT_MS);
	stream_puts(l->stream, "QUIT\r\n");
	stream_flush_try(l->stream);
	fiber_start("smtp quit", wait_for_bye, l);
}

/* Each step: true, go on; else *o says why this host won't do. */
static bool expect(struct link *l, struct pool *pool, const char *doing, struct outcome *o)
{
	if (!link_read_reply(l, l->agent->conf->command_timeout)) {
		*o = link_lost(pool, l, doing);
		return false;
	}
	if (smtp_reply_class(&l->reply) == 2)
		return true;
	*o = link_outcome(pool, l);
	return false;
}

/* By another address than those we know, as behind a router that translates them. */
static bool is_us(const struct link *l)
{
	struct span first = str_span(&l->reply.text), name;
	span_split(&first, '\n', &name);
	name.n = span_index(name, 0, ' ');
	return !l->may_be_us && strchr(l->agent->hostname, '.') &&
	       span_iis(name, l->agent->hostname);
}

static bool fail_loop(const struct link *l, struct pool *pool, struct outcome *o)
{
	*o = outcome_make(FATE_FAILED, "5.4.6",
		pool_printf(pool, "%s is this host by another address: mail would loop.", l->text));
	o->remote_mta = pool_strdup(pool, l->host);
	return false;
}

static bool hello(struct link *l, struct pool *pool, struct outcome *o)
{
	const char *name = l->agent->helo;
	stream_printf(l->stream, "%s %s\r\n", l->lmtp ? "LHLO" : "EHLO", name);
	if (expect(l, pool, "greeting", o)) {
		if (is_us(l))
			return fail_loop(l, pool, o);
		/* The capabilities point into the reply, which will be overwritten. */
		smtp_capabilities_parse(&l->reply, &l->caps);
		l->caps.auth = SPAN_LIT("");
		return true;
	}
	if (l->lmtp || stream_state(l->stream) != STREAM_OK || smtp_reply_class(&l->reply) != 5)
		return false;
	l->caps = (struct smtp_capabilities){0};
	stream_printf(l->stream, "HELO %s\r\n", name);
	return expect(l, pool, "greeting", o);
}

enum tls_step { TLS_GOES_ON, TLS_REFUSED, TLS_BROKEN };

static enum tls_step start_tls(struct link *l, struct pool *pool, struct outcome *o)
{
	const char *err;
	stream_puts(l->stream, "STARTTLS\r\n");
	if (!expect(l, pool, "asking for TLS", o))
		return stream_state(l->stream) == STREAM_OK ? TLS_REFUSED : TLS_BROKEN;
	struct tls_context *ctx = smtp_agent_tls(l->agent, &err);
	link_set_deadline(l, l->agent->conf->command_timeout);
	if (!ctx || tls_start(l->stream, ctx, l->host, &err) < 0) {
		*o = outcome_make(FATE_DEFERRED, "4.7.5",
			pool_printf(pool, "TLS with %s failed: %s", l->text, err));
		o->remote_mta = pool_strdup(pool, l->host);
		return TLS_BROKEN;
	}
	return hello(l, pool, o) ? TLS_GOES_ON : TLS_BROKEN;
}

enum open_step { OPEN_DONE, OPEN_FAILED, OPEN_WITHOUT_TLS };

static enum open_step converse(struct link *l, struct pool *pool, bool want_tls, struct outcome *o)
{
	bool required = l->agent->tls_required;
	if (!expect(l, pool, "waiting for the greeting", o) || !hello(l, pool, o))
		return OPEN_FAILED;
	if (!want_tls)
		return OPEN_DONE;
	if (!(l->caps.extensions & SMTP_EXT_STARTTLS)) {
		*o = outcome_make(FATE_DEFERRED, "4.7.4",
			pool_printf(pool, "%s offers no TLS, which is required", l->text));
		o->remote_mta = pool_strdup(pool, l->host);
		return required ? OPEN_FAILED : OPEN_DONE;
	}
	switch (start_tls(l, pool, o)) {
	case TLS_GOES_ON:
		return OPEN_DONE;
	case TLS_REFUSED:
		return required ? OPEN_FAILED : OPEN_DONE;
	case TLS_BROKEN:
		break;
	}
	return required ? OPEN_FAILED : OPEN_WITHOUT_TLS;
}

/* Opportunistic TLS that fails is no worse than none: the host is tried again in plain. LMTP is for
 * neighbours: only where TLS is required. */
struct link *link_open(struct smtp_agent *agent, struct pool *pool, const struct target *target,
	const struct peer *peer, struct outcome *outcome_r)
{
	bool required = agent->tls_required;
	bool want_tls = required || (!target->lmtp && strcmp(agent->conf->tls, "may") == 0);
	enum open_step step = OPEN_WITHOUT_TLS;
	struct link *l = NULL;
	for (int tries = 0; tries < 2 && step == OPEN_WITHOUT_TLS; tries++) {
		link_drop(&l);
		l = connect_to(agent, pool, target, peer, outcome_r);
		if (!l)
			return NULL;
		step = converse(l, pool, want_tls && tries == 0, outcome_r);
		if (step == OPEN_WITHOUT_TLS)
			log_info("tls failed, trying without host=%s text=%s", peer->text,
				log_q(outcome_r->text));
	}
	if (step == OPEN_DONE)
		return l;
	if (stream_state(l->stream) == STREAM_OK)
		link_quit(&l);
	link_drop(&l);
	return NULL;
}
