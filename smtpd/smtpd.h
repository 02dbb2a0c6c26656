/*
 * smtpd: receives mail by SMTP, submission, LMTP, and from sendmail on this host: one engine, four
 * modes.
 *
 * Trust: every octet it reads is hostile; it parses commands and message text, never message
 * content beyond header fields' names. Writes only to the spool segment that master handed it, and
 * large messages that are not complete to files without a name, from master too.
 * Owns: nothing durable but that segment until it is sealed.
 * Talks: to directoryd (may this address receive, who is this), to qmgr (there is a new record).
 */
#ifndef SMTPD_SMTPD_H
#define SMTPD_SMTPD_H

#include "auth/accounts.h"
#include "io/net.h"
#include "params/smtpd.h"
#include "queue/submit.h"
#include "route/cache.h"
#include "service/service.h"
#include "smtp/command.h"
#include "tls/tls.h"

enum { MODE_SMTP = 1, MODE_SUBMISSION = 2, MODE_LMTP = 4, MODE_LOCAL = 8 };

/* What the modes differ in. */
struct mode {
	const char *name;       /* of the configuration, and the envelope's source channel */
	unsigned bit;
	const char *greeting;   /* behind the host name in 220 */
	bool needs_auth;        /* before MAIL */
	bool offers_auth;
	bool reply_each;        /* LMTP: a reply for each recipient */
	bool owns_sender;       /* the envelope sender must be the user's */
	bool completes_header;  /* adds missing Date and Message-ID */
	bool bare_names;        /* addresses may lack the domain */
	bool shy;               /* clients that talk before the greeting are refused */
};
/* The modes' names are the enumeration of the parameter `mode`: always found. */
const struct mode *mode_find(const char *name);

struct mech_cache;
struct peer_names;

struct smtpd {
	struct service_ctx *svc;
	const struct smtpd_conf *conf;
	const struct common_conf *common;
	const struct mode *mode;
	struct tls_context *tls;           /* the service engine's; NULL: no certificate */
	struct net_list *networks;
	struct ipc_client *directory, *auth, *qmgr;
	struct submitter *submitter;
	struct auth_accounts *accounts;    /* whom sessions of this process are logged in as */
	struct mech_cache *mechs;
	struct route_cache *routes;
	struct peer_names *names;          /* NULL: clients are not looked up */
	struct list sessions;              /* struct session, for the notice of a shutdown */
};

/* --- mechs.c --- */

/* Mechanisms to offer now, separated by blanks; "" when there are none. Cached for a minute. */
const char *mechs_offered(struct smtpd *d, struct pool *pool, bool tls);
/* PLAIN and LOGIN need TLS. */
bool mech_needs_tls(const struct smtpd *d, const char *mechanism);
struct mech_cache *mech_cache_new(void);
void mech_cache_free(struct mech_cache **c);

#endif
