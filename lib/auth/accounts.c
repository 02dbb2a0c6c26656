#include "auth/accounts.h"

#include "base/hash.h"
#include "base/log.h"

#define PAUSE_MS 10   /* between two questions: so many are asked when directoryd was away, by each process */
#define RETRY_MS 2000 /* when there is no answer */

struct auth_account {
	struct list due; /* in accounts->due while it is to be asked for */
	struct list logins;
	char *id, *user;
};

struct auth_accounts {
	struct ipc_client *client;
	struct hash *by_id;
	struct list due;
	bool asking;      /* there is a fiber for what is due */
	uint64_t changes; /* that were heard of */
};

static struct auth_account *find(const struct auth_accounts *a, const char *id)
{
	return hash_find(a->by_id, span_of(id));
}

/* --- asking --- */

static void tell_gone(struct auth_account *account)
{
	log_info("account gone user=%s account=%s", log_q(account->user), log_q(account->id));
	list_each (at, &account->logins) {
		struct auth_login *login = list_entry(at, struct auth_login, link);
		login->gone(login);
	}
}

/* 1 the user may use it, 0 not, -1 can't say now. */
static int ask(struct auth_accounts *a, struct pool *pool, const struct dir_check_request *rq)
{
	struct dir_check_reply reply = {0};
	struct ipc_call call = {
		.request = &dir_check_request_msg,
		.body = rq,
		.reply_type = &dir_check_reply_msg,
		.reply = &reply,
		.deadline = io_deadline(DIRECTORY_DEADLINE_MS),
		.repeat = true,
	};
	const char *err;
	if (ipc_client_call(a->client, pool, &call, &err) == 0)
		return reply.ok;
	log_warning("an account can't be looked up again: %s", err);
	return -1;
}

/* Its sessions may come and go while the question is under way; a notice meanwhile makes it due once more. */
static void check(struct auth_accounts *a, struct auth_account *account)
{
	struct pool *pool = pool_new("account check");
	const struct dir_check_request rq = {
		.user = pool_strdup(pool, account->user), .account = pool_strdup(pool, account->id)};
	list_remove(&account->due);
	int rc = ask(a, pool, &rq);
	account = find(a, rq.account);
	if (rc == 0 && account)
		tell_gone(account);
	if (rc < 0 && account && list_is_empty(&account->due))
		list_add_after(&a->due, &account->due);
	pool_free(&pool);
	io_sleep(rc < 0 ? RETRY_MS : PAUSE_MS);
}

static void ask_fiber(void *arg)
{
	struct auth_accounts *a = arg;
	while (!list_is_empty(&a->due))
		check(a, list_entry(a->due.next, struct auth_account, due));
	a->asking = false;
}

/* --- what may have changed --- */

static void make_due(struct auth_accounts *a, struct auth_account *account, bool first)
{
	list_remove(&account->due);
	list_add_after(first ? &a->due : a->due.prev, &account->due); /* it may have been the last */
	if (a->asking)
		return;
	a->asking = true;
	fiber_start("account check", ask_fiber, a);
}

static void all_may_have_changed(void *arg)
{
	struct auth_accounts *a = arg;
	size_t at = 0;
	struct span key;
	void *account;
	a->changes++;
	while (hash_next(a->by_id, &at, &key, &account))
		make_due(a, account, false);
}

static void on_notice(void *arg, struct ipc_frame *frame)
{
	struct auth_accounts *a = arg;
	struct dir_changed changed;
	const char *err;
	if (frame->type != dir_changed_msg.type)
		return;
	struct pool *pool = pool_new("notice");
	if (ipc_parse(pool, &dir_changed_msg, frame->payload, &changed, &err) < 0) {
		all_may_have_changed(a);
	} else if (*changed.account) {
		struct auth_account *account = find(a, changed.account);
		a->changes++;
		if (account)
			make_due(a, account, true);
	}
	pool_free(&pool);
}

struct auth_accounts *auth_accounts_new(struct ipc_client *c)
{
	struct auth_accounts *a = mem_new(struct auth_accounts);
	a->client = c;
	a->by_id = hash_new();
	list_init(&a->due);
	ipc_client_on_notice(c, on_notice, a);
	ipc_client_on_end(c, all_may_have_changed, a);
	return a;
}

/* --- sessions --- */

static struct auth_account *get(struct auth_accounts *a, const char *id, const char *user)
{
	struct auth_account *account = find(a, id);
	if (account)
		return account;
	account = mem_new(struct auth_account);
	list_init(&account->due);
	list_init(&account->logins);
	account->id = mem_strdup(id);
	account->user = mem_strdup(user);
	hash_set(a->by_id, span_of(id), account);
	return account;
}

uint64_t auth_changes(const struct auth_accounts *a)
{
	return a->changes;
}

void auth_enter_as(struct auth_accounts *a, const char *user, const char *account, uint64_t since,
	struct auth_login *login)
{
	login->account = get(a, account, user);
	list_add_tail(&login->account->logins, &login->link);
	if (a->changes != since) /* between the answer and now, as far as we know */
		make_due(a, login->account, true);
}

bool auth_enter(struct auth_accounts *a, struct pool *pool, struct span ticket, const char *service,
	struct auth_login *login, struct dir_redeem_reply *reply_r)
{
	uint64_t before = a->changes;
	if (!auth_redeem(a->client, pool, ticket, service, reply_r))
		return false;
	auth_enter_as(a, reply_r->user, reply_r->account, before, login);
	return true;
}

void auth_leave(struct auth_accounts *a, struct auth_login *login)
{
	struct auth_account *account = login->account;
	if (!account)
		return;
	login->account = NULL;
	list_remove(&login->link);
	if (!list_is_empty(&account->logins))
		return;
	list_remove(&account->due);
	hash_remove(a->by_id, span_of(account->id));
	mem_free(&account->id);
	mem_free(&account->user);
	mem_free(&account);
}
