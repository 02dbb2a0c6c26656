#include "master/directoryd/directoryd.h"

#include "base/log.h"

/* What is looked up for an address, most specific first. */
struct query {
	struct directoryd *d;
	struct pool *pool;
	const char *key;    /* local@domain */
	const char *domain; /* in key */
	bool system;        /* the default domain: /etc/passwd users too */
	struct dir_resolve_reply *reply;
};

/* Each step: 1 answered, 0 go on, -1 the database failed. */
typedef int (*step_fn)(struct query *q, const char *key);

static int answer_user(struct query *q, const char *key, const struct user_record *user)
{
	q->reply->status = user->disabled ? DIR_DISABLED : DIR_ACCOUNT;
	q->reply->account = user->account;
	q->reply->canonical = pool_strdup(q->pool, key);
	q->reply->quota_bytes = user->quota_bytes;
	q->reply->quota_messages = user->quota_messages;
	q->reply->over_quota = hash_find(q->d->over_quota, span_of(user->account)) != NULL;
	return 1;
}

static int try_alias(struct query *q, const char *key)
{
	struct alias_record alias;
	int rc = records_alias(q->d->records, q->pool, key, &alias);
	if (rc != 1)
		return rc;
	struct dir_target *targets = pool_array(q->pool, alias.n, sizeof(*targets));
	for (size_t i = 0; i < alias.n; i++)
		targets[i].address = alias.targets[i];
	q->reply->status = DIR_ALIAS;
	q->reply->targets = (struct ipc_list){targets, alias.n};
	return 1;
}

static int try_user(struct query *q, const char *key)
{
	struct user_record user;
	int rc = records_user(q->d->records, q->pool, key, &user);
	return rc == 1 ? answer_user(q, key, &user) : rc;
}

/* A system user gets an account at the first look-up, and keeps it. */
static int try_system_user(struct query *q, const char *key)
{
	if (!q->system)
		return 0;
	const char *name = pool_strndup(q->pool, key, (size_t)(strchr(key, '@') - key));
	int rc = system_user_find(q->d, name);
	if (rc != 1)
		return rc;
	struct user_record user = {.scram256 = "", .scram1 = "", .crypt = ""};
	user.account = records_mint_account(q->d->records, q->pool);
	/* Another fiber may have been faster while this one waited for NSS: its account stands. */
	struct user_record other;
	rc = records_user(q->d->records, q->pool, key, &other);
	if (rc == 1)
		return answer_user(q, key, &other);
	if (rc < 0 || records_put_user(q->d->records, key, &user) != 0)
		return -1;
	return answer_user(q, key, &user);
}

static int try_each(struct query *q, const char *key)
{
	static const step_fn steps[] = {try_alias, try_user, try_system_user};
	for (size_t i = 0; i < COUNT_OF(steps); i++) {
		int rc = steps[i](q, key);
		if (rc != 0)
			return rc;
	}
	return 0;
}

/* user+detail -> user, when the address with its detail is nobody's. */
static int try_without_detail(struct query *q)
{
	const char *delimiter = q->d->svc->common->recipient_delimiter;
	size_t local = (size_t)(q->domain - 1 - q->key);
	size_t cut = *delimiter ? strcspn(q->key, delimiter) : local;
	if (cut == 0 || cut >= local)
		return 0;
	return try_each(q, pool_printf(q->pool, "%.*s@%s", (int)cut, q->key, q->domain));
}

/* RFC 5321 4.5.1: postmaster is always there. */
static int try_postmaster(struct query *q)
{
	const char *to = q->d->svc->common->postmaster;
	size_t local = (size_t)(q->domain - 1 - q->key);
	if (!*to || !span_is(span_make(q->key, local), "postmaster"))
		return 0;
	const char *target = name_parse(q->d, q->pool, to);
	if (!target || strcmp(target, q->key) == 0)
		return 0;
	struct dir_target *one = pool_new_of(q->pool, struct dir_target);
	one->address = target;
	q->reply->status = DIR_ALIAS;
	q->reply->targets = (struct ipc_list){one, 1};
	return 1;
}

static int try_catch_all(struct query *q)
{
	return try_alias(q, pool_printf(q->pool, "@%s", q->domain));
}

static int search(struct query *q)
{
	int rc = try_each(q, q->key);
	if (rc == 0)
		rc = try_without_detail(q);
	if (rc == 0)
		rc = try_postmaster(q);
	if (rc == 0)
		rc = try_catch_all(q);
	return rc;
}

void lookup_resolve(struct directoryd *d, struct pool *pool, const char *local, const char *domain,
	struct dir_resolve_reply *reply_r)
{
	*reply_r = (struct dir_resolve_reply){
		.status = DIR_TEMPFAIL, .account = "", .canonical = ""};
	const char *key = name_key(d, pool, local, domain);
	if (!key) {
		const char *known = *domain ? name_domain(pool, domain) : d->default_domain;
		int ours = !known		     ? 0
			: !strcmp(known, d->default_domain) ? 1
							: records_domain(d->records, known);
		reply_r->status = ours < 0 ? DIR_TEMPFAIL : ours ? DIR_UNKNOWN : DIR_NOT_LOCAL;
		return;
	}
	struct query q = {.d = d, .pool = pool, .key = key, .reply = reply_r};
	q.domain = strrchr(key, '@') + 1;
	q.system = strcmp(q.domain, d->default_domain) == 0 || strcmp(q.domain, "localhost") == 0;
	int rc = q.system ? 1 : records_domain(d->records, q.domain);
	if (rc == 0) {
		reply_r->status = DIR_NOT_LOCAL;
		return;
	}
	if (rc == 1 && strcmp(q.domain, "localhost") == 0) {
		q.domain = d->default_domain;
		q.key = pool_printf(pool, "%.*s@%s", (int)(strrchr(key, '@') - key), key, q.domain);
	}
	if (rc == 1)
		rc = search(&q);
	if (rc == 0)
		reply_r->status = DIR_UNKNOWN;
}

bool lookup_may_send(
	struct directoryd *d, struct pool *pool, const char *user, const char *sender)
{
	if (!*sender)
		return true;
	const char *key = name_parse(d, pool, sender);
	if (!key)
		return false;
	if (strcmp(key, user) == 0)
		return true;
	struct dir_resolve_reply reply;
	const char *at = strrchr(key, '@');
	lookup_resolve(d, pool, pool_strndup(pool, key, (size_t)(at - key)), at + 1, &reply);
	if (reply.status == DIR_ACCOUNT)
		return strcmp(reply.canonical, user) == 0;
	for (size_t i = 0; reply.status == DIR_ALIAS && i < reply.targets.n; i++) {
		const char *target =
			name_parse(d, pool, ((struct dir_target *)reply.targets.v)[i].address);
		if (target && strcmp(target, user) == 0)
			return true;
	}
	return false;
}
