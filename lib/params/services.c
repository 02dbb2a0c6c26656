#include "params/params.h"

/* They read strangers' bytes before anybody is known: locked into a folder with nothing in it. */
#define LOGIN "user = login\nchroot = empty\nmax_workers = 4\nconnections = 5000\n"

/* No address takes more than a small share of the places; IMAP clients behind one router have some each. */
#define FEW  "connections_per_address = 500\n"
#define MANY "connections_per_address = 2000\n"

const struct params_service params_services[] = {
	{"smtp",
		"program = smtpd\nlisten = *:25\nuser = smtpd\nsegments = yes\n"
		"min_workers = 2\nmax_workers = 8\nmode = smtp\n" FEW,
		"Mail from other hosts."},
	{"submission",
		"program = smtpd\nlisten = *:587\nuser = smtpd\nsegments = yes\n"
		"min_workers = 1\nmax_workers = 8\nmode = submission\n" FEW,
		"Mail from users, who log in; TLS by STARTTLS."},
	{"submissions",
		"program = smtpd\nlisten = *:465\ntls_wrap = yes\nuser = smtpd\nsegments = yes\n"
		"min_workers = 1\nmax_workers = 8\nmode = submission\n" FEW,
		"The same with TLS from the first octet."},
	/* All its clients have one address: with a limit one of them would shut out the others that much sooner. A host with
	 * users who are not to be trusted with that has unix:lmtp, whose mode lets in whom it should. */
	{"lmtp",
		"program = smtpd\nlisten = 127.0.0.1:24 unix:lmtp\nuser = smtpd\nsegments = yes\n"
		"min_workers = 1\nmax_workers = 4\nmode = lmtp\n",
		"Mail from other mail systems on this host, which share one address: it has no limit."},
	{"sendmail",
		"program = smtpd\nlisten = unix:submit\nlisten_mode = 666\nuser = smtpd\n"
		"segments = yes\nmin_workers = 1\nmax_workers = 4\nconnections_per_address = 100\nmode = local\n",
		"Mail from programs on this host, through sendmail; the sender is known by uid."},
	{"imap", "program = imap_login\nlisten = *:143\nmin_workers = 2\n" LOGIN MANY,
		"IMAP clients; TLS by STARTTLS."},
	{"imaps", "program = imap_login\nlisten = *:993\ntls_wrap = yes\nmin_workers = 1\n" LOGIN MANY,
		"IMAP clients with TLS from the first octet."},
	{"pop3", "program = pop3_login\nlisten = *:110\nmin_workers = 1\n" LOGIN FEW,
		"POP3 clients; TLS by STLS."},
	{"pop3s", "program = pop3_login\nlisten = *:995\ntls_wrap = yes\nmin_workers = 1\n" LOGIN FEW,
		"POP3 clients with TLS from the first octet."},
	{"imapd",
		"listen = unix:imapd\nuser = store\nmin_workers = 2\nmax_workers = 4\n"
		"connections = 5000\n",
		"IMAP sessions that have logged in."},
	{"pop3d",
		"listen = unix:pop3d\nuser = store\nmin_workers = 1\nmax_workers = 4\n"
		"connections = 5000\n",
		"POP3 sessions that have logged in."},
	{"directory",
		"program = directoryd\n"
		"listen = unix:directory unix:directory-auth unix:directory-admin\nuser = dir\n",
		"Domains, users, aliases and passwords."},
	{"queue",
		"program = qmgr\nlisten = unix:queue unix:queue-agent unix:queue-admin\nuser = queue\n",
		"The queue."},
	{"smtp-agent", "program = smtp\nuser = smtp\nmin_workers = 1\nmax_workers = 4\n",
		"Deliveries to other hosts."},
	{"local-agent", "program = local\nuser = store\nmin_workers = 2\nmax_workers = 4\n",
		"Deliveries into mailboxes."},
	{"bounce-agent", "program = bounce\nuser = queue\nchroot = empty\n", "Delivery reports."},
	{"pickup", "user = drop\n", "What sendmail left while the server was down."},
	{NULL, NULL, NULL},
};
