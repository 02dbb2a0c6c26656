#include "submit/client.h"

#include "base/num.h"
#include "base/utf8.h"
#include "io/io.h"
#include "io/stream.h"
#include "smtp/build.h"
#include "smtp/data.h"
#include "smtp/reply.h"

struct dialogue {
	struct pool *pool;
	struct stream *stream;
	struct submit_message *m;
	struct smtp_reply reply;
	struct str line;
	unsigned extensions;
	int64_t ask_ms, ms;
	bool broken; /* no more replies will come */
};

/* The fate that a reply tells; without one, or with one that has no meaning here, it is "later". */
static enum handed fate_of(const struct dialogue *d)
{
	unsigned class = d->broken ? 0 : smtp_reply_class(&d->reply);
	if (class == 2)
		return HANDED_TAKEN;
	return class == 5 ? HANDED_REFUSED : HANDED_LATER;
}

static void read_reply(struct dialogue *d)
{
	struct span line;
	int more = 0;
	smtp_reply_reset(&d->reply);
	while (!d->broken && more == 0) {
		if (stream_read_line(d->stream, SMTP_REPLY_LINE_MAX, &line, NULL) != 1)
			d->broken = true;
		else
			more = smtp_reply_add(&d->reply, line);
		if (more < 0)
			d->broken = true;
	}
}

/* Sends d->line and reads the reply: its class, 0 when there is none. */
static unsigned command(struct dialogue *d)
{
	stream_write_span(d->stream, str_span(&d->line));
	str_reset(&d->line);
	if (stream_flush(d->stream) < 0)
		d->broken = true;
	read_reply(d);
	return d->broken ? 0 : smtp_reply_class(&d->reply);
}

static const char *reply_text(struct dialogue *d)
{
	return d->broken ? "the server ended the connection" : smtp_reply_line(d->pool, &d->reply);
}

static void set_fate(struct dialogue *d, struct submit_recipient *r, enum handed fate)
{
	r->fate = fate;
	r->reply = fate == HANDED_TAKEN ? NULL : reply_text(d);
}

static bool hello(struct dialogue *d)
{
	struct smtp_capabilities caps;
	read_reply(d);
	if (d->broken || smtp_reply_class(&d->reply) != 2)
		return false;
	str_puts(&d->line, "EHLO localhost\r\n");
	if (command(d) != 2)
		return false;
	smtp_capabilities_parse(&d->reply, &caps);
	d->extensions = caps.extensions;
	return true;
}

static bool any_utf8(const struct submit_message *m, const struct submit_recipient *v, size_t n)
{
	bool found = !utf8_is_ascii(span_of(m->sender));
	for (size_t i = 0; i < n && !found; i++)
		found = !utf8_is_ascii(span_of(v[i].address));
	return found;
}

static bool mail(struct dialogue *d, bool utf8)
{
	struct smtp_mail_out mail = {
		.sender = d->m->sender,
		.size = d->m->body.n,
		.eight_bit = !utf8_is_ascii(d->m->body),
		.smtputf8 = utf8,
		.ret = d->m->ret,
		.envid = d->m->envid,
		.auth = d->m->auth,
	};
	if (smtp_put_mail(&d->line, &mail, d->extensions) < 0) {
		smtp_reply_reset(&d->reply);
		smtp_reply_add(&d->reply, SPAN_LIT("553 5.1.7 That sender can't be sent"));
		return false;
	}
	return command(d) == 2;
}

/* True when at least one recipient was taken. */
static bool recipients(struct dialogue *d, struct submit_recipient *v, size_t n, bool utf8)
{
	bool any = false;
	for (size_t i = 0; i < n; i++) {
		struct recipient r = {.address = v[i].address, .orcpt = "", .notify = d->m->notify};
		if (smtp_put_rcpt(&d->line, v[i].address, &r, d->extensions, utf8) < 0) {
			v[i].fate = HANDED_REFUSED;
			v[i].reply = "this is no address that can be sent to";
			continue;
		}
		command(d);
		set_fate(d, &v[i], fate_of(d));
		any |= v[i].fate == HANDED_TAKEN;
	}
	return any;
}

static void data(struct dialogue *d)
{
	struct smtp_stuff stuff;
	struct span rest = d->m->body, run;
	str_puts(&d->line, "DATA\r\n");
	if (command(d) != 3) {
		if (!d->broken && smtp_reply_class(&d->reply) == 2)
			d->broken = true;
		return;
	}
	smtp_stuff_init(&stuff);
	stream_set_timeout(d->stream, d->ms);
	while (smtp_stuff_next(&stuff, &rest, &run))
		stream_write_span(d->stream, run);
	str_add_span(&d->line, smtp_stuff_end(&stuff));
	command(d);
	stream_set_timeout(d->stream, d->ask_ms);
}

static void transaction(struct dialogue *d, struct submit_recipient *v, size_t n)
{
	bool utf8 = any_utf8(d->m, v, n);
	if (!mail(d, utf8)) {
		enum handed fate = fate_of(d);
		for (size_t i = 0; i < n; i++)
			set_fate(d, &v[i], fate == HANDED_TAKEN ? HANDED_LATER : fate);
	} else if (recipients(d, v, n, utf8)) {
		data(d);
		enum handed fate = fate_of(d);
		for (size_t i = 0; i < n; i++)
			if (v[i].fate == HANDED_TAKEN)
				set_fate(d, &v[i], fate);
	}
	if (!d->broken) {
		str_puts(&d->line, "RSET\r\n");
		command(d);
	}
}

static void all_later(struct submit_message *m, const char *why)
{
	for (size_t i = 0; i < m->nrecipient; i++) {
		m->recipients[i].fate = HANDED_LATER;
		m->recipients[i].reply = why;
	}
}

void submit_send(struct pool *pool, const char *socket_path, int64_t ask_ms, int64_t ms,
	struct submit_message *m)
{
	struct dialogue d = {.pool = pool, .m = m, .ask_ms = ask_ms, .ms = ms};
	int fd = io_connect_unix(socket_path, io_deadline(ask_ms));
	if (fd < 0) {
		all_later(m, "the server is not running");
		return;
	}
	d.reply.text = STR_IN(pool);
	d.stream = stream_new(fd);
	stream_set_timeout(d.stream, ask_ms);
	if (!hello(&d))
		all_later(m, reply_text(&d));
	else
		for (size_t i = 0; i < m->nrecipient; i += SUBMIT_RECIPIENTS_MAX)
			transaction(&d, m->recipients + i,
				num_min(m->nrecipient - i, SUBMIT_RECIPIENTS_MAX));
	if (!d.broken) {
		str_puts(&d.line, "QUIT\r\n");
		command(&d);
	}
	stream_close(&d.stream);
	str_fini(&d.line);
}
