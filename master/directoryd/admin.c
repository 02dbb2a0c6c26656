#include "master/directoryd/directoryd.h"

#include "base/log.h"

#define LIST_MAX       1000
#define TARGETS_MAX    1000

/* Every change is durable before it is answered, and said in the log. */

static void answer(struct ipc_server_conn *conn, struct ipc_request *rq, int rc, const char *account)
{
	struct dir_done done = {.account = account};
	if (rc != 0)
		ipc_refuse(conn, rq, "The directory database failed; its log says more.");
	else
		ipc_reply(conn, rq, &done);
}

static const char *checked_domain(struct ipc_server_conn *conn, struct ipc_request *rq, const char *name)
{
	const char *domain = name_domain(rq->pool, name);
	if (!domain)
		ipc_refuse(conn, rq,
			pool_printf(rq->pool, "%s is not a domain name.", log_q(name)));
	return domain;
}

static void run_domain_add(struct ipc_server_conn *conn, struct ipc_request *rq, void *body)
{
	struct directoryd *d = ipc_conn_arg(conn);
	const char *domain = checked_domain(conn, rq, ((struct dir_name *)body)->name);
	if (!domain)
		return;
	if (records_domain(d->records, domain) == 1) {
		ipc_refuse(conn, rq,
			pool_printf(rq->pool, "The domain %s is there already.", domain));
		return;
	}
	log_info("domain added domain=%s", domain);
	answer(conn, rq, records_put_domain(d->records, domain), "");
}

/* The first row of a table whose key ends in suffix, or NULL. */
static const char *first_with_suffix(
	struct directoryd *d, struct pool *pool, enum table table, const char *suffix)
{
	struct span end = span_of(suffix);
	struct kv_range range = {.table = table, .limit = LIST_MAX, .keys_only = true};
	struct kv_row *rows;
	size_t n;
	do {
		if (kv_scan(d->kv, &range, pool, &rows, &n) != 0)
			return NULL;
		for (size_t i = 0; i < n; i++) {
			struct span k = rows[i].key;
			if (k.n > end.n && span_eq(span_make(k.p + k.n - end.n, end.n), end))
				return pool_span(pool, k);
		}
		range.after = true;
		range.from = n ? rows[n - 1].key : span_of("");
	} while (n == LIST_MAX);
	return NULL;
}

static void run_domain_remove(struct ipc_server_conn *conn, struct ipc_request *rq, void *body)
{
	struct directoryd *d = ipc_conn_arg(conn);
	const char *domain = checked_domain(conn, rq, ((struct dir_name *)body)->name);
	if (!domain)
		return;
	const char *suffix = pool_printf(rq->pool, "@%s", domain);
	const char *left = first_with_suffix(d, rq->pool, TABLE_USERS, suffix);
	if (!left)
		left = first_with_suffix(d, rq->pool, TABLE_ALIASES, suffix);
	if (records_domain(d->records, domain) != 1)
		ipc_refuse(conn, rq, pool_printf(rq->pool, "There is no domain %s.", domain));
	else if (left)
		ipc_refuse(conn, rq,
			pool_printf(rq->pool, "The domain still has %s; remove its users and aliases first.",
				left));
	else {
		log_info("domain removed domain=%s", domain);
		answer(conn, rq, records_delete(d->records, TABLE_DOMAINS, domain), "");
	}
}

/* The key of an address in one of our domains; refused with a sentence otherwise. */
static const char *checked_address(
	struct ipc_server_conn *conn, struct ipc_request *rq, const char *address)
{
	struct directoryd *d = ipc_conn_arg(conn);
	bool catch_all = address[0] == '@';
	const char *domain = catch_all ? name_domain(rq->pool, address + 1) : NULL;
	const char *key = !catch_all ? name_parse(d, rq->pool, address)
		: domain	     ? pool_printf(rq->pool, "@%s", domain)
				     : NULL;
	if (!key) {
		ipc_refuse(conn, rq,
			pool_printf(rq->pool, "%s is not an address.", log_q(address)));
		return NULL;
	}
	domain = strrchr(key, '@') + 1;
	if (strcmp(domain, d->default_domain) != 0 && records_domain(d->records, domain) != 1) {
		ipc_refuse(conn, rq,
			pool_printf(rq->pool, "%s is not a domain of this server; add it first.",
				domain));
		return NULL;
	}
	return key;
}

static void run_user_add(struct ipc_server_conn *conn, struct ipc_request *rq, void *body)
{
	struct directoryd *d = ipc_conn_arg(conn);
	const struct dir_user_change *change = body;
	struct user_record user = {.scram256 = "", .scram1 = "", .crypt = ""}, old;
	const char *key = checked_address(conn, rq, change->address);
	if (!key)
		return;
	if (key[0] == '@') {
		ipc_refuse(conn, rq, "A user needs a name before the @.");
		return;
	}
	if (*change->password)
		passwords_make(d->passwords, rq->pool, change->password, &user);
	user.account = records_mint_account(d->records, rq->pool);
	user.quota_bytes = change->quota_bytes;
	user.quota_messages = change->quota_messages;
	int rc = records_user(d->records, rq->pool, key, &old);
	if (rc == 1) {
		ipc_refuse(conn, rq, pool_printf(rq->pool, "The user %s is there already.", key));
		return;
	}
	if (rc == 0)
		rc = records_put_user(d->records, key, &user);
	log_info("user added user=%s account=%s", key, user.account);
	answer(conn, rq, rc, user.account);
}

static bool existing_user(struct ipc_server_conn *conn, struct ipc_request *rq, const char *address,
	const char **key_r, struct user_record *user_r)
{
	struct directoryd *d = ipc_conn_arg(conn);
	*key_r = name_parse(d, rq->pool, address);
	if (*key_r && records_user(d->records, rq->pool, *key_r, user_r) == 1)
		return true;
	ipc_refuse(conn, rq, pool_printf(rq->pool, "There is no user %s.", log_q(address)));
	return false;
}

static void run_user_remove(struct ipc_server_conn *conn, struct ipc_request *rq, void *body)
{
	struct directoryd *d = ipc_conn_arg(conn);
	const char *key;
	struct user_record user;
	if (!existing_user(conn, rq, ((struct dir_name *)body)->name, &key, &user))
		return;
	log_info("user removed user=%s account=%s", key, user.account);
	answer(conn, rq, records_delete(d->records, TABLE_USERS, key), user.account);
}

static void run_user_passwd(struct ipc_server_conn *conn, struct ipc_request *rq, void *body)
{
	struct directoryd *d = ipc_conn_arg(conn);
	const struct dir_user_change *change = body;
	const char *key;
	struct user_record user;
	if (!existing_user(conn, rq, change->address, &key, &user))
		return;
	if (!*change->password) {
		ipc_refuse(conn, rq, "An empty password is not accepted.");
		return;
	}
	passwords_make(d->passwords, rq->pool, change->password, &user);
	log_info("password changed user=%s", key);
	answer(conn, rq, records_put_user(d->records, key, &user), user.account);
}

static void run_alias_add(struct ipc_server_conn *conn, struct ipc_request *rq, void *body)
{
	struct directoryd *d = ipc_conn_arg(conn);
	const struct dir_alias_change *change = body;
	const struct dir_target *more = change->targets.v;
	struct alias_record alias = {0};
	const char *key = checked_address(conn, rq, change->address);
	if (!key)
		return;
	if (records_alias(d->records, rq->pool, key, &alias) < 0 || !change->targets.n
		|| alias.n + change->targets.n > TARGETS_MAX) {
		ipc_refuse(conn, rq, "An alias has 1 to 1000 targets.");
		return;
	}
	ARRAY(const char *) all = ARRAY_IN(rq->pool);
	for (size_t i = 0; i < alias.n; i++)
		*array_add(&all) = alias.targets[i];
	for (size_t i = 0; i < change->targets.n; i++) {
		const char *target = name_parse(d, rq->pool, more[i].address);
		bool known = false;
		for (size_t k = 0; target && k < all.n; k++)
			known |= strcmp(all.v[k], target) == 0;
		if (!target) {
			ipc_refuse(conn, rq,
				pool_printf(rq->pool, "%s is not an address.", log_q(more[i].address)));
			return;
		}
		if (!known)
			*array_add(&all) = target;
	}
	log_info("alias added alias=%s targets=%zu", key, all.n);
	answer(conn, rq, records_put_alias(d->records, key, all.v, all.n), "");
}

static bool is_target(struct directoryd *d, struct pool *pool, const struct ipc_list *list, const char *target)
{
	const struct dir_target *v = list->v;
	for (size_t i = 0; i < list->n; i++) {
		const char *key = name_parse(d, pool, v[i].address);
		if (key && strcmp(key, target) == 0)
			return true;
	}
	return false;
}

static void run_alias_remove(struct ipc_server_conn *conn, struct ipc_request *rq, void *body)
{
	struct directoryd *d = ipc_conn_arg(conn);
	const struct dir_alias_change *change = body;
	struct alias_record alias;
	const char *key = checked_address(conn, rq, change->address);
	if (!key)
		return;
	if (records_alias(d->records, rq->pool, key, &alias) != 1) {
		ipc_refuse(conn, rq, pool_printf(rq->pool, "There is no alias %s.", key));
		return;
	}
	ARRAY(const char *) left = ARRAY_IN(rq->pool);
	for (size_t i = 0; change->targets.n && i < alias.n; i++)
		if (!is_target(d, rq->pool, &change->targets, alias.targets[i]))
			*array_add(&left) = alias.targets[i];
	log_info("alias removed alias=%s targets=%zu", key, alias.n - left.n);
	answer(conn, rq,
		left.n ? records_put_alias(d->records, key, left.v, left.n)
		       : records_delete(d->records, TABLE_ALIASES, key),
		"");
}

static void run_aliases_load(struct ipc_server_conn *conn, struct ipc_request *rq, void *body)
{
	struct directoryd *d = ipc_conn_arg(conn);
	struct dir_aliases *all = body;
	struct dir_entry *v = all->entries.v;
	for (size_t i = 0; i < all->entries.n; i++) {
		v[i].name = checked_address(conn, rq, v[i].name);
		if (!v[i].name)
			return;
	}
	const char *suffix = pool_printf(rq->pool, "@%s", d->default_domain);
	log_info("aliases loaded count=%zu", all->entries.n);
	answer(conn, rq, records_replace_aliases(d->records, suffix, all), "");
}

static bool matches(const struct dir_list_request *rq, struct span key)
{
	struct span match = span_of(rq->match);
	if (!match.n)
		return true;
	if (match.p[0] != '@')
		return span_ieq(key, match);
	return key.n > match.n && span_ieq(span_make(key.p + key.n - match.n, match.n), match);
}

static void fill_entry(struct directoryd *d, struct pool *pool, enum table table,
	const struct kv_row *row, struct dir_entry *e)
{
	*e = (struct dir_entry){.name = pool_span(pool, row->key), .account = "", .text = ""};
	if (table == TABLE_USERS) {
		struct user_record user;
		records_parse_user(row->value, pool, &user);
		e->account = user.account;
		e->quota_bytes = user.quota_bytes;
		e->quota_messages = user.quota_messages;
		e->has_password = *user.scram256 || *user.crypt;
		e->over_quota = hash_find(d->over_quota, span_of(user.account)) != NULL;
	} else if (table == TABLE_ALIASES) {
		struct alias_record alias;
		struct str text = STR_IN(pool);
		records_parse_alias(row->value, pool, &alias);
		for (size_t i = 0; i < alias.n; i++)
			str_printf(&text, "%s%s", i ? ", " : "", alias.targets[i]);
		e->text = str_c(&text);
	}
}

static void list_table(struct ipc_server_conn *conn, struct ipc_request *rq,
	const struct dir_list_request *request, enum table table)
{
	struct directoryd *d = ipc_conn_arg(conn);
	size_t limit = request->limit && request->limit < LIST_MAX ? (size_t)request->limit : LIST_MAX;
	ARRAY(struct dir_entry) found = ARRAY_IN(rq->pool);
	struct kv_range range = {.table = table, .from = span_of(request->after), .limit = LIST_MAX};
	struct kv_row *rows;
	size_t n;
	bool more = false;
	range.after = range.from.n > 0;
	do {
		if (kv_scan(d->kv, &range, rq->pool, &rows, &n) != 0) {
			answer(conn, rq, -1, "");
			return;
		}
		for (size_t i = 0; i < n && !more; i++) {
			if (!matches(request, rows[i].key))
				continue;
			if (found.n == limit)
				more = true;
			else
				fill_entry(d, rq->pool, table, &rows[i], array_add(&found));
		}
		range.after = true;
		range.from = n ? rows[n - 1].key : range.from;
	} while (n == LIST_MAX && !more);
	struct dir_list_reply reply = {.entries = {found.v, found.n}, .more = more};
	ipc_reply(conn, rq, &reply);
}

static void run_domain_list(struct ipc_server_conn *conn, struct ipc_request *rq, void *body)
{
	list_table(conn, rq, body, TABLE_DOMAINS);
}

static void run_user_list(struct ipc_server_conn *conn, struct ipc_request *rq, void *body)
{
	list_table(conn, rq, body, TABLE_USERS);
}

static void run_alias_list(struct ipc_server_conn *conn, struct ipc_request *rq, void *body)
{
	list_table(conn, rq, body, TABLE_ALIASES);
}

const struct ipc_handler admin_handlers[] = {
	{&dir_domain_add_msg, &dir_done_msg, run_domain_add, false},
	{&dir_domain_remove_msg, &dir_done_msg, run_domain_remove, false},
	{&dir_domain_list_msg, &dir_list_reply_msg, run_domain_list, false},
	{&dir_user_add_msg, &dir_done_msg, run_user_add, false},
	{&dir_user_remove_msg, &dir_done_msg, run_user_remove, false},
	{&dir_user_passwd_msg, &dir_done_msg, run_user_passwd, false},
	{&dir_user_list_msg, &dir_list_reply_msg, run_user_list, false},
	{&dir_alias_add_msg, &dir_done_msg, run_alias_add, false},
	{&dir_alias_remove_msg, &dir_done_msg, run_alias_remove, false},
	{&dir_alias_list_msg, &dir_list_reply_msg, run_alias_list, false},
	{&dir_aliases_load_msg, &dir_done_msg, run_aliases_load, false},
};
const size_t admin_handlers_n = COUNT_OF(admin_handlers);
