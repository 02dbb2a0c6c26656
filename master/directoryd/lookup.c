#include "master/directoryd/directoryd.h"

#include "base/log.h"
#include "io/net.h"

/* What is looked up for an address, most specific first. */
struct query {
	struct directoryd *d;
	struct pool *pool;
	const char *key;    /* local@domain */
	const char *domain; /* behind its last @ */
	bool system;        /* the default domain: /etc/passwd users too */
	struct dir_resolve_reply *reply;
};

/* Each step: 1 answered, 0 go on, -1 can't say now. */
typedef int (*step_fn)(struct query *q, const char *key);

static int answer_user(struct query *q, const char *key, const struct user_record *user)
{
	q->reply->status = user->disabled ? DIR_DISABLED : DIR_ACCOUNT;
	q->reply->account = user->account;
	q->reply->canonical = pool_strdup(q->pool, key);
	q->reply->quota_bytes = user->quota_bytes;
	q->reply->quota_messages = user->quota_messages;
	q->reply->over_quota = over_quota_is(q->d->over_quota, user->account);
	return 1;
}

static int ask_system(struct query *q, const char *key)
{
	return system_user_find(q->d->system_users,
		pool_strndup(q->pool, key, (size_t)(strrchr(key, '@') - key)));
}

static int try_user(struct query *q, const char *key)
{
	struct user_record user;
	if (!records_user(q->d->records, q->pool, key, &user))
		return 0;
	int rc = user.system ? ask_system(q, key) : 1;
	return rc == 1 ? answer_user(q, key, &user) : rc;
}

/* A system user gets an account at the first look-up, and keeps it. */
static int try_system_user(struct query *q, const char *key)
{
	struct user_record user = {.scram256 = "", .scram1 = "", .crypt = "", .system = true}, other;
	int rc = q->system ? ask_system(q, key) : 0;
	if (rc != 1)
		return rc;
	fiber_lock(&q->d->changing, IO_FOREVER);
	if (records_user(q->d->records, q->pool, key, &other)) { /* another look-up was faster */
		user = other;
	} else {
		user.account = records_mint_account(q->d->records, q->pool);
		records_put_user(q->d->records, key, &user);
		log_info("system user's account made user=%s account=%s", log_q(key), user.account);
	}
	fiber_unlock(&q->d->changing);
	return answer_user(q, key, &user);
}

/* "joe: joe, archive": an alias that names itself means the user of that name, whose account the answer then has too. */
static int name_own_account(struct query *q, const char *key, const struct alias_record *alias)
{
	for (size_t i = 0; i < alias->n; i++) {
		if (strcmp(alias->targets[i].address, key) != 0)
			continue;
		int rc = try_user(q, key);
		return rc == 0 ? try_system_user(q, key) : rc;
	}
	return 0;
}

static int try_alias(struct query *q, const char *key)
{
	struct alias_record alias;
	if (!records_alias(q->d->records, q->pool, key, &alias))
		return 0;
	if (name_own_account(q, key, &alias) < 0)
		return -1;
	if (q->reply->status == DIR_DISABLED)
		q->reply->account = "";
	struct dir_target *targets = pool_array(q->pool, alias.n, sizeof(*targets));
	for (size_t i = 0; i < alias.n; i++)
		targets[i].address = alias.targets[i].address;
	q->reply->status = DIR_ALIAS;
	q->reply->targets = (struct ipc_list){targets, alias.n};
	return 1;
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
	size_t local = strlen(q->key) - strlen(q->domain) - 1;
	size_t cut = *delimiter ? strcspn(q->key, delimiter) : local;
	if (cut == 0 || cut >= local)
		return 0;
	return try_each(q, pool_printf(q->pool, "%.*s@%s", (int)cut, q->key, q->domain));
}

/* RFC 5321 4.5.1: postmaster is always there. */
static int try_postmaster(struct query *q)
{
	const char *to = q->d->svc->common->postmaster;
	size_t local = strlen(q->key) - strlen(q->domain) - 1;
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

/* localhost, the host's own name and its addresses (RFC 5321 4.1.3) are other names of the default domain, unless they are
 * domains by themselves. */
static const char *own_domain(struct directoryd *d, const char *domain)
{
	if (strcmp(domain, d->default_domain) == 0 || records_domain(d->records, domain))
		return domain;
	if (strcmp(domain, "localhost") == 0 || strcasecmp(domain, d->svc->common->hostname) == 0 ||
		net_is_own_literal(span_of(domain)))
		return d->default_domain;
	return NULL;
}

void lookup_resolve(struct directoryd *d, struct pool *pool, const char *local, const char *domain,
	struct dir_resolve_reply *reply_r)
{
	const char *known = *domain ? name_domain(pool, domain) : d->default_domain;
	*reply_r = (struct dir_resolve_reply){
		.status = DIR_NOT_LOCAL, .account = "", .canonical = ""};
	if (known)
		known = own_domain(d, known);
	if (!known)
		return;
	reply_r->status = DIR_UNKNOWN;
	struct query q = {.d = d, .pool = pool, .domain = known, .reply = reply_r};
	q.key = name_key(d, pool, local, known);
	q.system = strcmp(known, d->default_domain) == 0;
	if (q.key && search(&q) < 0)
		reply_r->status = DIR_TEMPFAIL;
}

bool lookup_may_send(
	struct directoryd *d, struct pool *pool, const char *user, const char *sender)
{
	struct user_record record;
	if (strlen(user) > NAME_OCTETS_MAX || !records_user(d->records, pool, user, &record) ||
		record.disabled)
		return false; /* gone since the login */
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
