/*
 * Where an address goes. Used by smtpd at RCPT time and by qmgr when it routes, so that what can't
 * be delivered is refused before it is accepted. (Rewrite rules and channels widen this room
 * later.)
 */
#ifndef ROUTE_ROUTE_H
#define ROUTE_ROUTE_H

#include "directory/directory.h"

enum route_kind {
	ROUTE_LOCAL,	/* account */
	ROUTE_ALIAS,	/* targets: route each of them */
	ROUTE_REMOTE,	/* agent smtp, destination host */
	ROUTE_REFUSED,	/* permanent: status and text */
	ROUTE_TEMPFAIL, /* status and text */
};
struct route {
	enum route_kind kind;
	const char *agent; /* "local", "smtp" */
	const char *account, *canonical;
	struct ipc_list targets; /* dir_target */
	const char *destination; /* routing host */
	uint64_t quota_bytes, quota_messages;
	bool over_quota;
	const char *status,
		*text; /* "5.1.1", "User unknown in local recipient table"-like sentence */
};
#define ROUTE_ALIAS_DEPTH_MAX	20
#define ROUTE_ALIAS_TARGETS_MAX 10000

/* local part unquoted; domain "" is the system's own. smart_host: LIST of hosts in brackets, or "".
 * */
void route_address(struct ipc_client *directory, struct pool *pool, const char *local,
	const char *domain, const char *smart_host, struct route *route_r);

#endif
