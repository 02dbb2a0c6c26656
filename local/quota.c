#include "base/log.h"
#include "directory/messages.h"
#include "local/local.h"

#define CHECK_MS 30000

struct over {
	struct account_limits limits;
};

static void tell(struct local *l, const char *account, bool over)
{
	struct pool *pool = pool_new("quota");
	const char *err;
	struct dir_quota_notice notice = {.account = account, .over = over};
	if (ipc_client_open(l->directory, pool, io_deadline(IPC_CALL_MS), &err) == 0)
		ipc_client_notify(l->directory, &dir_quota_notice_msg, &notice, NULL, 0);
	pool_free(&pool);
}

static void add(struct local *l, const char *account, const struct account_limits *limits)
{
	struct over *o = hash_find(l->over, span_of(account));
	if (!o) {
		log_info("account is over its quota account=%s", log_q(account));
		o = mem_new(struct over);
		hash_set(l->over, span_of(account), o);
	}
	o->limits = *limits;
	tell(l, account, true);
}

static void drop(struct local *l, const char *account)
{
	struct over *o = hash_remove(l->over, span_of(account));
	if (!o)
		return;
	mem_free(&o);
	log_info("account is below its quota again account=%s", log_q(account));
	tell(l, account, false);
}

void quota_set(struct local *l, const char *account, const struct account_limits *limits, bool over)
{
	if (over)
		add(l, account, limits);
	else
		drop(l, account);
}

static bool fits(const struct account_limits *limits, uint64_t bytes, uint64_t messages)
{
	return (!limits->bytes || bytes < limits->bytes) &&
	       (!limits->messages || messages < limits->messages);
}

/* Mail is refused at RCPT now, so nothing but this look tells that room was made. */
static void check(struct local *l, const char *account)
{
	struct over *o = hash_find(l->over, span_of(account));
	struct account *a;
	uint64_t bytes, messages;
	if (!o || account_open(l->store, account, false, NULL, &a) != STORE_OK)
		return;
	account_usage(a, &bytes, &messages);
	o = hash_find(l->over, span_of(account)); /* opening may have waited */
	if (o) {
		struct account_limits limits = o->limits;
		quota_set(l, account, &limits, !fits(&limits, bytes, messages));
	}
	account_close(&a);
}

static const char **over_accounts(struct local *l, struct pool *pool, size_t *n_r)
{
	const char **v = pool_array(pool, hash_count(l->over), sizeof(*v));
	size_t at = 0;
	struct span key;
	void *value;
	for (*n_r = 0; hash_next(l->over, &at, &key, &value); ++*n_r)
		v[*n_r] = pool_span(pool, key);
	return v;
}

static void watch(void *arg)
{
	struct local *l = arg;
	struct pool *pool = pool_new("quota");
	while (!l->svc->stopping) {
		size_t n;
		const char **v = over_accounts(l, pool, &n);
		service_conn_hold(l->svc); /* a stop closes the store: it waits for the look under way */
		for (size_t i = 0; i < n && !l->svc->stopping; i++)
			check(l, v[i]);
		service_conn_release(l->svc);
		pool_reset(pool);
		io_sleep(CHECK_MS);
	}
	pool_free(&pool);
}

void quota_start(struct local *l)
{
	l->over = hash_new();
	fiber_start("quota", watch, l);
}

void quota_forget_all(struct local *l)
{
	struct pool *pool = pool_new("quota");
	size_t n;
	const char **v = over_accounts(l, pool, &n);
	for (size_t i = 0; i < n; i++)
		drop(l, v[i]);
	pool_free(&pool);
}
