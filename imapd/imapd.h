/* The program's state: what all sessions of this process share. */
#ifndef IMAPD_IMAPD_H
#define IMAPD_IMAPD_H

#include "base/hash.h"
#include "base/list.h"
#include "params/imapd.h"
#include "service/service.h"
#include "store/store.h"

struct imapd {
	struct service_ctx *svc;
	const struct imapd_conf *conf;
	struct store *store;
	struct auth_accounts *accounts; /* redeems tickets, hears of accounts that are gone */
	struct list sessions;
	struct hash *watches; /* by account id: imapd/watch.h */
	struct hash *turns;   /* by account id: imapd/alone.c */
	struct fiber_group watching; /* their fibers, which have accounts open */
	struct fiber_mutex large; /* for a large message in memory: imapd/search.h */
	struct fiber_mutex storing; /* for the summaries of many messages: imapd/incoming.c */
};

enum imapd_counter { COUNT_SESSIONS, COUNT_COMMANDS, COUNT_FAILED_LOGINS, COUNT_APPENDED };

#endif
