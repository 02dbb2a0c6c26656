#include "params/params.h"

#include "params/bounce.h"
#include "params/directoryd.h"
#include "params/imapd.h"
#include "params/local.h"
#include "params/master.h"
#include "params/login.h"
#include "params/pickup.h"
#include "params/pop3d.h"
#include "params/qmgr.h"
#include "params/smtp.h"
#include "params/smtpd.h"
#include "params/store.h"

const struct params_table *params_table_find(const char *program)
{
	for (const struct params_table *t = params_tables; t->rows; t++)
		if (strcmp(t->program, program) == 0)
			return t;
	return NULL;
}

#define TABLE(name, text)                                                                          \
	{                                                                                          \
		.program = #name, .rows = name##_conf_rows, .size = sizeof(struct name##_conf),    \
		.help = text                                                                       \
	}

const struct params_table params_tables[] = {
	{.program = "",
		.rows = common_conf_rows,
		.size = sizeof(struct common_conf),
		.help = "Where everything is, and what holds for all programs."},
	TABLE(master, "Starts the services, watches over them, binds their sockets."),
	TABLE(smtpd, "Receives mail: SMTP, submission and LMTP."),
	TABLE(qmgr, "Owns the queue: schedules deliveries, retries and expiry."),
	TABLE(smtp, "Delivers to other hosts by SMTP or LMTP."),
	TABLE(local, "Delivers into the message store."),
	TABLE(bounce, "Writes delivery reports."),
	TABLE(pickup, "Submits what sendmail left while the server was down."),
	TABLE(directoryd, "Knows domains, users and aliases; checks passwords."),
	{.program = "imap_login",
		.rows = login_conf_rows,
		.size = sizeof(struct login_conf),
		.help = "Greets IMAP clients: TLS and login, then a proxy to imapd."},
	TABLE(imapd, "Serves mailboxes by IMAP after login."),
	{.program = "pop3_login",
		.rows = login_conf_rows,
		.size = sizeof(struct login_conf),
		.help = "Greets POP3 clients: TLS and login, then a proxy to pop3d."},
	TABLE(pop3d, "Serves mailboxes by POP3 after login."),
	{.program = "store",
		.rows = mailstore_conf_rows,
		.size = sizeof(struct mailstore_conf),
		.help = "The message store, for all programs that open it."},
	{.rows = NULL},
};
