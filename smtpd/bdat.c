/* BDAT (RFC 3030): message text in counted chunks. A refused chunk is read all the same. */
#include "base/log.h"
#include "base/num.h"
#include "smtpd/session.h"

static const struct smtp_fault too_big = {552, "5.3.4", "Message size exceeds fixed limit"};

/* The octets of one chunk; sink tells whether they are wanted. */
static bool read_chunk(struct session *s, uint64_t left, bool wanted)
{
	struct span buf, run;
	while (left) {
		if (!stream_peek(s->stream, 1, &buf))
			return false;
		struct span part = span_make(buf.p, left < buf.n ? (size_t)left : buf.n);
		size_t n = part.n;
		while (wanted && smtp_data_next(&s->tx.data, &part, &run) == SMTP_DATA_RUN)
			transaction_write(s, run);
		stream_consume(s->stream, n);
		left -= n;
	}
	return true;
}

static bool read_timed(struct session *s, uint64_t size, bool wanted)
{
	stream_set_timeout(s->stream, s->d->conf->data_timeout);
	bool whole = read_chunk(s, size, wanted);
	stream_set_timeout(s->stream, s->d->conf->command_timeout);
	if (!whole) {
		log_info("lost in=BDAT ip=%s text=%s", s->conn->peer_ip,
			log_q(stream_error(s->stream)));
		s->closing = true;
	}
	return whole;
}

void bdat_refuse(struct session *s, struct span args, const struct smtp_fault *fault)
{
	struct smtp_bdat chunk;
	const struct smtp_fault *syntax = smtp_bdat_parse(args, &chunk);
	const char *about = pool_printf(s->scratch, "BDAT %.*s", (int)num_min(args.n, 80), args.p);
	if (syntax) { /* where the next command starts is not known */
		refuse(s, syntax, about);
		s->closing = true;
	} else if (read_timed(s, chunk.size, false)) {
		refuse(s, fault, about);
	}
}

/* Not more than the limit. */
static uint64_t size_so_far(const struct session *s)
{
	uint64_t most = s->d->common->message_size_limit;
	return s->tx.data.size < most ? s->tx.data.size : most;
}

void cmd_bdat(struct session *s, struct span args)
{
	struct smtp_bdat chunk;
	struct span run;
	const struct smtp_fault *syntax = smtp_bdat_parse(args, &chunk);
	if (syntax) {
		bdat_refuse(s, args, syntax);
		return;
	}
	if (s->state == ST_RCPT) {
		s->tx.body = submission_new(s->d->submitter);
		smtp_data_init_raw(&s->tx.data);
		s->state = ST_BDAT;
	}
	if (chunk.size > s->d->common->message_size_limit - size_so_far(s))
		s->tx.fault = &too_big;
	if (!read_timed(s, chunk.size, !s->tx.fault))
		return;
	if (chunk.last) {
		if (smtp_data_finish_raw(&s->tx.data, &run))
			transaction_write(s, run);
		transaction_finish(s);
	} else if (s->tx.fault) {
		refuse(s, s->tx.fault, "BDAT");
	} else {
		reply_printf(
			s, 250, "2.0.0", "%llu octets received", (unsigned long long)chunk.size);
	}
}
