/* What the client is told. Replies are buffered by the stream and leave together when it would
 * wait. */
#include <stdarg.h>

#include "base/log.h"
#include "smtp/reply.h"
#include "smtpd/session.h"

/* Past half of the errors allowed each further one is answered this much later. */
#define SLOW_DOWN_MS 1000

static void put(struct session *s, unsigned code, const char *status, struct span text)
{
	str_reset(&s->out);
	smtp_reply_put(&s->out, code, status, text);
	stream_write_span(s->stream, str_span(&s->out));
}

void reply(struct session *s, unsigned code, const char *status, const char *text)
{
	put(s, code, status, span_of(text));
}

void reply_printf(struct session *s, unsigned code, const char *status, const char *fmt, ...)
{
	struct str text = STR_IN(s->scratch);
	va_list ap;
	va_start(ap, fmt);
	str_vprintf(&text, fmt, ap);
	va_end(ap);
	put(s, code, status, str_span(&text));
}

void reply_and_close(struct session *s, unsigned code, const char *status, const char *text)
{
	reply(s, code, status, text);
	s->closing = true;
}

static void count_error(struct session *s)
{
	uint64_t most = s->d->conf->errors_max;
	s->errors++;
	if (s->errors >= most) {
		log_info("closed reason=\"too many errors\" ip=%s errors=%llu", s->conn->peer_ip,
			(unsigned long long)s->errors);
		reply_and_close(s, 421, "4.7.0", "Too many errors");
	} else if (s->errors > most / 2) {
		io_sleep(SLOW_DOWN_MS);
	}
}

static void say_no(struct session *s, unsigned code, const char *status, const char *about,
	struct span text)
{
	log_info("refused ip=%s code=%u status=%s from=%s about=%s text=%s", s->conn->peer_ip, code,
		status, s->tx.sender ? log_q(s->tx.sender) : "-", *about ? log_q(about) : "-",
		log_qn(text.p, text.n));
	put(s, code, status, text);
}

static void refuse_text(struct session *s, unsigned code, const char *status, const char *about,
	struct span text)
{
	say_no(s, code, status, about, text);
	count_error(s);
}

void refuse_gently(struct session *s, const struct smtp_fault *fault, const char *about)
{
	say_no(s, fault->code, fault->status, about, span_of(fault->text));
}

void refuse(struct session *s, const struct smtp_fault *fault, const char *about)
{
	refuse_text(s, fault->code, fault->status, about, span_of(fault->text));
}

void refuse_printf(struct session *s, unsigned code, const char *status, const char *about,
	const char *fmt, ...)
{
	struct str text = STR_IN(s->scratch);
	va_list ap;
	va_start(ap, fmt);
	str_vprintf(&text, fmt, ap);
	va_end(ap);
	refuse_text(s, code, status, about, str_span(&text));
}
