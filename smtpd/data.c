/* DATA: message text up to CRLF.CRLF, from the stream's buffer straight into the submission. */
#include "base/log.h"
#include "smtpd/session.h"

/* Reads to the end of the message, whatever is wrong: only then is the next line a command. */
static bool read_text(struct session *s)
{
	struct span buf, run;
	enum smtp_data_step step = SMTP_DATA_NEED;
	while (step != SMTP_DATA_END) {
		if (!stream_peek(s->stream, 1, &buf))
			return false;
		struct span rest = buf;
		while ((step = smtp_data_next(&s->tx.data, &rest, &run)) == SMTP_DATA_RUN)
			transaction_write(s, run);
		stream_consume(s->stream, buf.n - rest.n);
	}
	return true;
}

void cmd_data(struct session *s, struct span args)
{
	(void)args;
	s->tx.body = submission_new(s->d->submitter);
	smtp_data_init(&s->tx.data);
	reply(s, 354, NULL, "End data with <CR><LF>.<CR><LF>");
	stream_set_timeout(s->stream, s->d->conf->data_timeout);
	bool whole = read_text(s);
	stream_set_timeout(s->stream, s->d->conf->command_timeout);
	if (whole) {
		transaction_finish(s);
		return;
	}
	log_info("lost in=DATA ip=%s from=%s nrcpt=%zu octets=%llu text=%s", s->conn->peer_ip,
		log_q(s->tx.sender), s->tx.rcpts.n, (unsigned long long)s->tx.data.size,
		log_q(stream_error(s->stream)));
	s->closing = true;
}
