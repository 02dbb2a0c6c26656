/*
 * sendmail, mailq, newaliases: what programs of this host and cron call. One binary; the name it is
 * called by decides.
 *
 * Trust: everything the caller gives is hostile: argv, environment, descriptors, limits, signals.
 * The program is set-group-id to the drop folder's group and gives that up before it reads
 * anything; it takes it back only to write one file. Owns:  nothing; makes files in queue_dir/drop.
 * Talks: smtpd (run_dir/submit), qmgr and directoryd for mailq, -q and newaliases.
 */
#ifndef SENDMAIL_SENDMAIL_H
#define SENDMAIL_SENDMAIL_H

#include <stdbool.h>
#include <sysexits.h>

#include "base/array.h"
#include "mail/address.h"
#include "params/params.h"

enum sendmail_mode { MODE_MAIL, MODE_SMTP, MODE_QUEUE, MODE_ALIASES, MODE_FLUSH };

struct sendmail {
	struct pool *pool;
	const char *config_dir;
	struct config *config;
	enum sendmail_mode mode;
	const char *sender;             /* -f; NULL: the caller */
	const char *full_name;          /* -F */
	const char *envid;              /* -V */
	unsigned notify;                /* -N */
	unsigned ret;                   /* -R: enum dsn_ret */
	bool take_recipients;           /* -t */
	bool keep_dots;                 /* -i: a dot alone does not end the message */
	ARRAY(const char *) recipients; /* canonical, as argv or the header named them */
	const char *login;              /* of the real uid, or "uid1000" */
	const char *gecos_name;         /* full name in passwd, or "" */
	const char *domain;             /* of addresses without one */
};

/* --- harden.c: before anything else --- */

/* Clean environment, descriptors, limits, signals; gives up the group for now. Exits when that
 * fails. */
void harden(void);
bool harden_is_setgid(void);
/* The group of the drop folder for fn alone. */
int harden_with_group(int (*fn)(void *arg), void *arg);

/* --- options.c --- */

/* argv to *s: 0, or an exit status, when something was said. */
int options_parse(struct sendmail *s, int argc, char **argv);
/* Adds the addresses of a text ("a@b, Name <c@d>"): -1 when there is none in it. */
int recipients_add(struct sendmail *s, struct span text);
/* One address in its canonical spelling with a domain; NULL when it is none. */
const char *address_complete(struct sendmail *s, struct span text);

/* --- compose.c --- */

/* Standard input as a message with CRLF line ends, what has to be there in its header, and without
 * Bcc; with -t the recipients in it are added. 0 or an exit status, when something was said. */
int compose(struct sendmail *s, struct str *message);

/* --- the modes: an exit status --- */

int mode_mail(struct sendmail *s);
int mode_smtp(struct sendmail *s);
int mode_queue(struct sendmail *s);
int mode_aliases(struct sendmail *s);
int mode_flush(struct sendmail *s);

/* One sentence on standard error; returns status. */
int say(int status, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
const char *run_path(struct sendmail *s, const char *name);

#endif
