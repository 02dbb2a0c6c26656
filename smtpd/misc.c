/* The small commands. */
#include "smtpd/session.h"

void cmd_rset(struct session *s, struct span args)
{
	(void)args;
	transaction_reset(s);
	reply(s, 250, "2.0.0", "Ok");
}

void cmd_noop(struct session *s, struct span args)
{
	(void)args;
	reply(s, 250, "2.0.0", "Ok");
}

void cmd_quit(struct session *s, struct span args)
{
	(void)args;
	reply_and_close(s, 221, "2.0.0", "Bye");
}

/* RFC 5321 7.3: who is here is nobody's business. */
void cmd_vrfy(struct session *s, struct span args)
{
	(void)args;
	reply(s, 252, "2.5.0", "Cannot VRFY user, but will take a message and attempt delivery");
}

void cmd_expn(struct session *s, struct span args)
{
	static const struct smtp_fault no = {502, "5.5.1", "EXPN not available"};
	(void)args;
	refuse(s, &no, "EXPN");
}

void cmd_help(struct session *s, struct span args)
{
	(void)args;
	reply(s, 214, "2.0.0",
		s->mode->bit == MODE_LMTP
			? "LHLO STARTTLS MAIL RCPT DATA BDAT RSET NOOP VRFY HELP QUIT"
			: "HELO EHLO STARTTLS AUTH MAIL RCPT DATA BDAT RSET NOOP VRFY HELP QUIT");
}
