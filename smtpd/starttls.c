/* STARTTLS (RFC 3207): what was said before it is forgotten; what was sent behind it in plain ends
 * the connection. */
#include "base/log.h"
#include "smtpd/session.h"

static const struct smtp_fault active = {503, "5.5.1", "TLS already active"};
static const struct smtp_fault not_available = {454, "4.7.0", "TLS not available"};

static void end(struct session *s, const char *why)
{
	log_info("closed reason=starttls ip=%s text=%s", s->conn->peer_ip, log_q(why));
	s->closing = true;
}

/* In the time of one command: octet by octet it could last as long as the session. */
static bool shake_hands(struct session *s)
{
	const char *err;
	int64_t end = io_deadline(s->d->conf->command_timeout);
	stream_set_deadline(s->stream, end < s->deadline ? end : s->deadline);
	if (stream_flush(s->stream) < 0 || tls_start(s->stream, s->d->tls, NULL, &err) < 0)
		return false;
	stream_set_deadline(s->stream, s->deadline);
	return true;
}

void cmd_starttls(struct session *s, struct span args)
{
	(void)args;
	if (stream_is_tls(s->stream)) {
		refuse(s, &active, "STARTTLS");
		return;
	}
	if (!s->d->tls || s->conn->is_unix) {
		refuse(s, &not_available, "STARTTLS");
		return;
	}
	if (stream_has_input(s->stream)) { /* plaintext injection (design rule 25) */
		end(s, "Plaintext follows STARTTLS.");
		return;
	}
	reply(s, 220, "2.0.0", "Ready to start TLS");
	if (!shake_hands(s)) {
		end(s, stream_error(s->stream));
		return;
	}
	session_note_tls(s);
	s->helo = "";
	s->esmtp = false;
	/* The login too: somebody in between may have made it, for mail that comes after (RFC 3207 4.2). */
	s->user = NULL;
	if (s->log)
		s->log->user = NULL;
	transaction_reset(s);
}
