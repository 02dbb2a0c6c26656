/*
 * Who is logged in to this process, by account. What directoryd believed at the login may not hold for as long as the
 * session lasts. When it says that an account has changed, or was out of reach, so that any may have changed unheard, it is
 * asked whether the user may still use the account: once for all sessions, one question at a time with a pause behind each,
 * those that were named before the others.
 */
#ifndef AUTH_ACCOUNTS_H
#define AUTH_ACCOUNTS_H

#include "auth/auth.h"

struct auth_accounts; /* one per process */

/* A session's part; zeroed but for gone, and where it is until auth_leave. */
struct auth_login {
	struct list link;
	struct auth_account *account;
	/* The user may not use the account any more. Must not wait, nor leave by itself; may be called more than once. */
	void (*gone)(struct auth_login *login);
};

/* c: to unix:directory-auth; its notices and its end are heard here. Lives as long as the process. */
struct auth_accounts *auth_accounts_new(struct ipc_client *c);
/* auth_redeem; when it returns true, no change of the account since then is missed. */
bool auth_enter(struct auth_accounts *a, struct pool *pool, struct span ticket, const char *service,
	struct auth_login *login, struct dir_redeem_reply *reply_r);
/* For who was let in by an exchange of this process's own, without a ticket: as who it was. since: auth_changes() before the
 * exchange ended. */
void auth_enter_as(struct auth_accounts *a, const char *user, const char *account, uint64_t since,
	struct auth_login *login);
/* A number that grows with each change that was heard of. */
uint64_t auth_changes(const struct auth_accounts *a);
/* Also for who did not enter. */
void auth_leave(struct auth_accounts *a, struct auth_login *login);

#endif
