/* Open accounts: one object for each, shared by its sessions. */
#include "store/account.h"

#include <unistd.h>

#include "base/log.h"
#include "io/io.h"
#include "store/name.h"
#include "store/open.h"

#define OPEN_TRIES 3

static bool id_is_valid(const char *id)
{
	size_t n = 0;
	for (; id[n]; n++)
		if (!(ascii_is_digit(id[n]) || (id[n] >= 'a' && id[n] <= 'z')) ||
			n >= ACCOUNT_ID_MAX)
			return false;
	return n > 0;
}

static void account_free(struct account *a)
{
	loop_timer_remove(&a->lazy_timer);
	watch_forget(a);
	account_unload(a);
	mem_free(&a);
}

/* Out of the table first: who opens it while this one syncs gets a new object. Its own upkeep and lazy
 * sync may begin meanwhile: the last of them frees it. */
void account_evict(struct account *a)
{
	struct store *s = a->store;
	idle_account_take(a);
	if (hash_find(s->accounts, span_of(a->id)) == a)
		hash_remove(s->accounts, span_of(a->id));
	a->refs++;
	if (a->unsynced && !a->stale && account_commit(a, a->live.at) != STORE_OK)
		log_error("Flag changes of account %s can't be synced.", a->id);
	a->stale = true;
	if (--a->refs == 0)
		account_free(a);
}

static int load(void *arg)
{
	struct account *a = arg;
	a->load_status = account_load(a, a->load_status == STORE_OK);
	return 0;
}

static struct account *add_account(struct store *s, const char *id)
{
	struct account *a = mem_new(struct account);
	a->store = s;
	a->loading = true;
	a->watch = -1;
	memcpy(a->id, id, strlen(id));
	list_init(&a->idle_link);
	hash_set(s->accounts, span_of(id), a);
	return a;
}

/* The caller has a reference. */
static void load_now(struct account *a, bool create)
{
	a->load_status = create ? STORE_OK : STORE_NOT_FOUND; /* how load() is told */
	io_call(load, a);
	a->loading = false;
	if (a->load_status != STORE_OK)
		a->stale = true;
	fiber_wake_all(&a->loaded);
}

static void forget_if_stale(struct store *s, const char *id)
{
	struct account *a = hash_find(s->accounts, span_of(id));
	if (!a || !a->stale || a->loading)
		return;
	if (a->refs == 0)
		account_evict(a);
	else
		hash_remove(s->accounts, span_of(id)); /* its sessions still have it */
}

/* The first record of a new account may still be on its way to the medium, by the hand of another
 * process. */
static enum store_status show_inbox(struct account *a)
{
	if (tree_find_name(&a->shown, "INBOX"))
		return STORE_OK;
	return account_commit(a, a->live.at);
}

/* *gave_up_r: the object is of no use any more, but a new one may be. */
static enum store_status open_once(
	struct store *store, const char *id, bool create, struct account **account_r, bool *gave_up_r)
{
	forget_if_stale(store, id);
	struct account *a = hash_find(store->accounts, span_of(id));
	bool first = !a;
	if (first)
		a = add_account(store, id);
	idle_account_take(a);
	a->refs++;
	if (first)
		load_now(a, create);
	while (a->loading)
		fiber_wait(&a->loaded, IO_FOREVER);
	enum store_status status = a->load_status;
	bool loaded = status == STORE_OK;
	if (status == STORE_OK)
		status = account_refresh(a);
	if (status == STORE_OK)
		status = show_inbox(a);
	if (status == STORE_OK) {
		*account_r = a;
		return STORE_OK;
	}
	/* Another process has recovered it meanwhile; or somebody who would not create asked at the
	 * same moment. */
	*gave_up_r = loaded ? a->stale : status == STORE_NOT_FOUND && create && !first;
	account_close(&a);
	return status;
}

enum store_status account_open(struct store *store, const char *id, bool create,
	const struct account_limits *limits, struct account **account_r)
{
	enum store_status status = STORE_INVALID;
	bool again = id_is_valid(id);
	for (int tries = 0; again && tries < OPEN_TRIES; tries++) {
		again = false;
		status = open_once(store, id, create, account_r, &again);
	}
	if (status == STORE_OK && limits)
		(*account_r)->limits = *limits;
	return status;
}

bool account_is_stale(const struct account *a)
{
	return a->stale;
}

void account_close(struct account **account)
{
	struct account *a = *account;
	*account = NULL;
	if (!a || --a->refs > 0)
		return;
	log_drop_window(&a->log);
	idle_account_put(a);
}

void account_hold(struct account *a)
{
	fiber_group_enter(&a->store->busy);
	a->refs++;
	idle_account_take(a);
}

void account_release(struct account *a)
{
	struct store *s = a->store;
	account_close(&a);
	fiber_group_leave(&s->busy);
}

/* Of sessions that a stopping process cuts off, too. */
static void sync_open_accounts(struct store *s)
{
	size_t at = 0;
	struct span key;
	void *value;
	ARRAY(struct account *) lazy = ARRAY_INIT;
	while (hash_next(s->accounts, &at, &key, &value)) {
		struct account *a = value;
		if (a->loading || a->stale || !a->unsynced)
			continue;
		account_hold(a);
		*array_add(&lazy) = a;
	}
	for (size_t i = 0; i < lazy.n; i++) {
		if (account_commit(lazy.v[i], lazy.v[i]->live.at) != STORE_OK)
			log_error("Flag changes of account %s can't be synced.", lazy.v[i]->id);
		account_release(lazy.v[i]);
	}
	array_fini(&lazy);
}

void accounts_close(struct store *s)
{
	sync_open_accounts(s);
	do {
		fiber_group_wait(&s->busy, IO_FOREVER);
		while (!list_is_empty(&s->idle))
			account_evict(list_entry(s->idle.next, struct account, idle_link));
	} while (s->busy.n); /* upkeep of those that went */
}

void account_usage(struct account *a, uint64_t *bytes_r, uint64_t *messages_r)
{
	account_refresh(a);
	*bytes_r = a->shown.bytes;
	*messages_r = a->shown.messages;
}

uint64_t account_modseq(struct account *a)
{
	account_refresh(a);
	return a->shown.sequence;
}
