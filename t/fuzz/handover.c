#include "t/fuzz/handover.h"

#include <ftw.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>

#include "auth/accounts.h"
#include "login/messages.h"
#include "mail/summary.h"
#include "store/open.h"
#include "t/fuzz/engine.h"

#define SESSIONS_MAX 50 /* before the store is removed */

/* The session's account: the ticket can't say it, as one frame serves them all. */
static char account[16];
static unsigned sessions;

static int no_sync(int fd)
{
	(void)fd;
	return 0;
}

void handover_send(int fd)
{
	const char *err;
	const struct login_handoff h = {
		.ticket = SPAN_LIT("fuzz"),
		.tag = "l",
		.peer_ip = "192.0.2.1",
		.session = "Sfuzz",
		.tls = true,
		.service = "imaps",
		.input = SPAN_LIT(""),
	};
	if (handoff_send(fd, &h, IO_FOREVER, &err) < 0 || handoff_wait(fd, IO_FOREVER, &err) < 0 ||
		handoff_give(fd, -1, IO_FOREVER, &err) < 0)
		abort();
}

struct auth_accounts *auth_accounts_new(struct ipc_client *c)
{
	(void)c;
	return NULL;
}

bool auth_enter(struct auth_accounts *a, struct pool *pool, struct span ticket, const char *service,
	struct auth_login *login, struct dir_redeem_reply *reply_r)
{
	(void)a;
	(void)pool;
	(void)ticket;
	(void)service;
	(void)login;
	*reply_r = (struct dir_redeem_reply){.ok = true,
		.user = "anna@sandbox.test",
		.account = account,
		.quota_bytes = 1 << 20,
		.quota_messages = 50};
	return true;
}

void auth_leave(struct auth_accounts *a, struct auth_login *login)
{
	(void)a;
	(void)login;
}

static void put_message(struct store *store, struct account *a, struct span message)
{
	const char *const readers[] = {account};
	struct pool *pool = pool_new("message");
	struct str summary = STR_IN(pool);
	struct append append = {.internal_date = 1700000000};
	struct mailbox_info inbox;
	uint32_t uid, uidvalidity;
	if (blob_put(store, message, readers, 1, &append.blob) != STORE_OK ||
		mailbox_find(a, pool, "INBOX", false, &inbox) != STORE_OK)
		abort();
	mail_summarize(message, &summary);
	append.summary = str_span(&summary);
	if (mailbox_append(a, inbox.id, &append, 1, IO_FOREVER, &uid, &uidvalidity) != STORE_OK)
		abort();
	pool_free(&pool);
}

static const char *store_dir(char path[128])
{
	snprintf(path, 128, "%s/store", engine_dir());
	return path;
}

void handover_account(struct store **store, struct span message)
{
	char path[128];
	struct store_conf conf = {.dir = store_dir(path), .partition = "p0"};
	struct account *a;
	const char *err;
	if (!*store && (mkdir(path, 0700) < 0 || store_open_with(&conf, no_sync, store, &err) < 0))
		abort();
	snprintf(account, sizeof(account), "a%u", ++sessions);
	if (account_open(*store, account, true, NULL, &a) != STORE_OK)
		abort();
	put_message(*store, a, message);
	account_close(&a);
}

static int remove_one(const char *path, const struct stat *st, int type, struct FTW *ftw)
{
	(void)st;
	(void)type;
	(void)ftw;
	return remove(path);
}

void handover_clean(struct store **store)
{
	char path[128];
	if (sessions < SESSIONS_MAX)
		return;
	sessions = 0;
	store_close(store);
	nftw(store_dir(path), remove_one, 16, FTW_DEPTH | FTW_PHYS);
}
