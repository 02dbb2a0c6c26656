/* HELO, EHLO, LHLO: who calls, and what we can do. */
#include "base/log.h"
#include "smtpd/session.h"

static const struct smtp_fault bad_name = {501, "5.5.4", "Invalid host name"};

static bool take_name(struct session *s, struct span args)
{
	struct span name;
	span_split(&args, ' ', &name);
	if (smtp_helo_check(name) < 0) {
		refuse(s, &bad_name, pool_span(s->scratch, name));
		return false;
	}
	/* Said again with another name it costs memory again; nobody needs to. */
	if (!span_is(name, s->helo)) {
		if (pool_used(s->conn->pool) > 64 * 1024) {
			reply_and_close(s, 421, "4.7.0", "Too many greetings");
			return false;
		}
		s->helo = pool_span(s->conn->pool, name);
	}
	transaction_reset(s);
	s->state = ST_READY;
	return true;
}

unsigned session_offers(const struct session *s)
{
	return !s->esmtp ? 0
			 : SMTP_EXT_SIZE | SMTP_EXT_8BITMIME | SMTP_EXT_UTF8 | SMTP_EXT_DSN |
			(s->mode->offers_auth || s->messenger ? SMTP_EXT_AUTH : 0);
}

void cmd_helo(struct session *s, struct span args)
{
	if (!take_name(s, args))
		return;
	s->esmtp = false;
	reply(s, 250, NULL, s->d->common->hostname);
}

static void put_auth(struct session *s, struct str *text)
{
	const char *mechs = mechs_offered(s->d, s->scratch, stream_is_tls(s->stream));
	if (*mechs)
		str_printf(text, "\nAUTH %s", mechs);
}

void cmd_ehlo(struct session *s, struct span args)
{
	struct str text = STR_IN(s->scratch);
	if (!take_name(s, args))
		return;
	s->esmtp = true;
	str_puts(&text, s->d->common->hostname);
	str_puts(&text, "\nPIPELINING\nSIZE ");
	str_put_u64(&text, s->d->common->message_size_limit);
	if (s->d->tls && !s->conn->is_unix && !stream_is_tls(s->stream))
		str_puts(&text, "\nSTARTTLS");
	if (s->mode->offers_auth && !s->user)
		put_auth(s, &text);
	else if (s->messenger)
		str_puts(&text, "\nAUTH"); /* the parameter of MAIL, no mechanism */
	str_puts(&text, "\nENHANCEDSTATUSCODES\n8BITMIME\nDSN\nSMTPUTF8\nCHUNKING");
	reply(s, 250, NULL, str_c(&text));
}
