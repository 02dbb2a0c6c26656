#include "master/directoryd/directoryd.h"

#include <openssl/crypto.h>

#include "base/log.h"

/*
 * Changes. Each is checked and made while nothing else changes, durable before it is answered, and said in the log. What takes
 * long (hashing) is done before its turn comes.
 */
#define TARGETS_MAX 1000

/* NULL, or the sentence that refuses it; *account_r is the user's. */
typedef const char *(*change_fn)(struct directoryd *d, struct pool *pool, void *body, const char **account_r);

static void change(struct ipc_server_conn *conn, struct ipc_request *rq, void *body, change_fn fn)
{
	struct directoryd *d = ipc_conn_arg(conn);
	struct dir_done done = {.account = ""};
	fiber_lock(&d->changing, IO_FOREVER);
	const char *err = fn(d, rq->pool, body, &done.account);
	fiber_unlock(&d->changing);
	if (err)
		ipc_refuse(conn, rq, err);
	else
		ipc_reply(conn, rq, &done);
}

/* --- domains --- */

static const char *domain_add(struct directoryd *d, struct pool *pool, void *body, const char **account_r)
{
	const char *name = ((struct dir_name *)body)->name, *domain = name_domain(pool, name);
	(void)account_r;
	if (!domain)
		return pool_printf(pool, "%s is not a domain name.", log_q(name));
	if (records_domain(d->records, domain))
		return pool_printf(pool, "The domain %s is there already.", domain);
	records_put_domain(d->records, domain);
	log_info("domain added domain=%s", log_q(domain));
	return NULL;
}

/* An address that is left in the domain, or NULL. */
static const char *first_in_domain(
	struct directoryd *d, struct pool *pool, enum table table, const char *domain)
{
	const struct kv_row *row;
	const char *found = NULL;
	struct records_walk w;
	records_walk_init(&w, table, "", true);
	while (!found && (row = records_walk_next(d->records, &w)))
		if (name_is_in(row->key, domain))
			found = pool_span(pool, row->key);
	records_walk_fini(&w);
	return found;
}

static const char *domain_remove(
	struct directoryd *d, struct pool *pool, void *body, const char **account_r)
{
	const char *name = ((struct dir_name *)body)->name, *domain = name_domain(pool, name);
	(void)account_r;
	if (!domain || !records_domain(d->records, domain))
		return pool_printf(pool, "There is no domain %s.", log_q(name));
	const char *left = first_in_domain(d, pool, TABLE_USERS, domain);
	if (!left)
		left = first_in_domain(d, pool, TABLE_ALIASES, domain);
	if (left)
		return pool_printf(pool,
			"The domain still has %s; remove its users and aliases first.", left);
	records_delete(d->records, TABLE_DOMAINS, domain);
	log_info("domain removed domain=%s", log_q(domain));
	return NULL;
}

/* The key of an address in one of our domains, or the sentence. */
static const char *own_address(
	struct directoryd *d, struct pool *pool, const char *address, const char **key_r)
{
	bool catch_all = address[0] == '@';
	const char *domain = catch_all ? name_domain(pool, address + 1) : NULL;
	const char *key = !catch_all ? name_parse(d, pool, address)
		: domain	     ? pool_printf(pool, "@%s", domain)
				     : NULL;
	if (!key || strchr(key, ',')) /* lists of addresses are written with commas */
		return pool_printf(pool, "%s is not an address.", log_q(address));
	domain = strrchr(key, '@') + 1;
	if (strcmp(domain, d->default_domain) != 0 && !records_domain(d->records, domain))
		return pool_printf(pool, "%s is not a domain of this server; add it first.", domain);
	*key_r = key;
	return NULL;
}

/* --- users --- */

struct user_change {
	const struct dir_user_change *asked;
	struct user_record keys; /* what the password or hash became */
};

/* Before the change: NULL, or the sentence. */
static const char *make_keys(struct directoryd *d, struct pool *pool, struct user_change *c)
{
	const char *password = c->asked->password, *hash = c->asked->hash;
	c->keys = (struct user_record){.scram256 = "", .scram1 = "", .crypt = ""};
	if (strncasecmp(hash, "{CRYPT}", 7) == 0)
		hash += 7;
	if (*password && *hash)
		return "A user has a password or the hash of one, not both.";
	if (strlen(password) > PASSWORD_OCTETS_MAX)
		return "The password is too long.";
	if (*hash && !passwords_is_hash(d->passwords, hash))
		return "That is no crypt(3) hash of a kind that this system knows.";
	if (*password)
		passwords_make(d->passwords, pool, password, &c->keys);
	else
		c->keys.crypt = hash;
	OPENSSL_cleanse((char *)(uintptr_t)password, strlen(password));
	return NULL;
}

static void set_keys(struct user_record *user, const struct user_record *keys)
{
	user->scram256 = keys->scram256;
	user->scram1 = keys->scram1;
	user->crypt = keys->crypt;
}

static const char *user_add(struct directoryd *d, struct pool *pool, void *body, const char **account_r)
{
	const struct user_change *c = body;
	struct user_record user = c->keys, old;
	const char *key = NULL, *err = own_address(d, pool, c->asked->address, &key);
	if (err)
		return err;
	if (key[0] == '@')
		return "A user needs a name before the @.";
	if (records_user(d->records, pool, key, &old))
		return pool_printf(pool, "The user %s is there already.", key);
	user.account = records_mint_account(d->records, pool);
	user.quota_bytes = c->asked->quota_bytes;
	user.quota_messages = c->asked->quota_messages;
	records_put_user(d->records, key, &user);
	log_info("user added user=%s account=%s", log_q(key), user.account);
	*account_r = user.account;
	return NULL;
}

/* The user's key, or NULL. */
static const char *find_user(
	struct directoryd *d, struct pool *pool, const char *address, struct user_record *user_r)
{
	const char *key = name_parse(d, pool, address);
	return key && records_user(d->records, pool, key, user_r) ? key : NULL;
}

static const char *no_user(struct pool *pool, const char *address)
{
	return pool_printf(pool, "There is no user %s.", log_q(address));
}

static const char *user_remove(struct directoryd *d, struct pool *pool, void *body, const char **account_r)
{
	const char *name = ((struct dir_name *)body)->name;
	struct user_record user;
	const char *key = find_user(d, pool, name, &user);
	if (!key)
		return no_user(pool, name);
	records_delete_user(d->records, key, user.account);
	log_info("user removed user=%s account=%s", log_q(key), user.account);
	*account_r = user.account;
	return NULL;
}

static const char *set_disabled(
	struct directoryd *d, struct pool *pool, const char *name, bool disabled, const char **account_r)
{
	struct user_record user;
	const char *key = find_user(d, pool, name, &user);
	if (!key)
		return no_user(pool, name);
	*account_r = user.account;
	if (user.disabled == disabled)
		return NULL;
	user.disabled = disabled;
	records_put_user(d->records, key, &user);
	if (disabled)
		log_info("user disabled user=%s account=%s", log_q(key), user.account);
	else
		log_info("user enabled user=%s account=%s", log_q(key), user.account);
	return NULL;
}

static const char *user_disable(struct directoryd *d, struct pool *pool, void *body, const char **account_r)
{
	return set_disabled(d, pool, ((struct dir_name *)body)->name, true, account_r);
}

static const char *user_enable(struct directoryd *d, struct pool *pool, void *body, const char **account_r)
{
	return set_disabled(d, pool, ((struct dir_name *)body)->name, false, account_r);
}

static const char *user_passwd(struct directoryd *d, struct pool *pool, void *body, const char **account_r)
{
	const struct user_change *c = body;
	struct user_record user;
	const char *key = find_user(d, pool, c->asked->address, &user);
	if (!key)
		return no_user(pool, c->asked->address);
	if (!*c->keys.scram256 && !*c->keys.crypt)
		return "An empty password is not accepted.";
	set_keys(&user, &c->keys);
	user.system = false; /* with a password of ours it is a user of ours */
	records_put_user(d->records, key, &user);
	log_info("password changed user=%s", log_q(key));
	*account_r = user.account;
	return NULL;
}

/* --- aliases --- */

static bool is_user(struct directoryd *d, struct pool *pool, const char *key)
{
	struct user_record ignored;
	const char *at = strrchr(key, '@');
	if (records_user(d->records, pool, key, &ignored))
		return true;
	return strcmp(at + 1, d->default_domain) == 0 &&
	       system_user_find(
		       d->system_users, pool_strndup(pool, key, (size_t)(at - key))) == 1;
}

/* A target's key, or the sentence. The alias itself may be one where it means the user of that name. */
static const char *target_key(struct directoryd *d, struct pool *pool, const char *alias, const char *target,
	const char **key_r)
{
	*key_r = name_parse(d, pool, target);
	if (!*key_r || strchr(*key_r, ','))
		return pool_printf(pool, "%s is not an address.", log_q(target));
	if (strcmp(*key_r, alias) == 0 && !is_user(d, pool, alias))
		return pool_printf(pool,
			"The alias %s can't lead to itself: there is no user of that name.", alias);
	return NULL;
}

typedef ARRAY(struct alias_target) targets;

static void add_target(targets *list, const char *key, unsigned origin)
{
	for (size_t i = 0; i < list->n; i++)
		if (strcmp(list->v[i].address, key) == 0) {
			list->v[i].origins |= origin;
			return;
		}
	*array_add(list) = (struct alias_target){key, origin};
}

static const char *alias_add(struct directoryd *d, struct pool *pool, void *body, const char **account_r)
{
	const struct dir_alias_change *c = body;
	const struct dir_target *more = c->targets.v;
	struct alias_record alias = {0};
	targets all = ARRAY_IN(pool);
	const char *key = NULL, *target, *err = own_address(d, pool, c->address, &key);
	(void)account_r;
	if (err)
		return err;
	records_alias(d->records, pool, key, &alias);
	if (!c->targets.n || alias.n + c->targets.n > TARGETS_MAX)
		return "An alias has 1 to 1000 targets.";
	for (size_t i = 0; i < alias.n; i++)
		*array_add(&all) = alias.targets[i];
	for (size_t i = 0; i < c->targets.n; i++) {
		err = target_key(d, pool, key, more[i].address, &target);
		if (err)
			return err;
		add_target(&all, target, ORIGIN_ADDED);
	}
	records_put_alias(d->records, key, &(struct alias_record){all.v, all.n});
	log_info("alias added alias=%s targets=%zu", log_q(key), all.n);
	return NULL;
}

static bool is_named(struct directoryd *d, struct pool *pool, const struct ipc_list *list, const char *target)
{
	const struct dir_target *v = list->v;
	for (size_t i = 0; i < list->n; i++) {
		const char *key = name_parse(d, pool, v[i].address);
		if (key && strcmp(key, target) == 0)
			return true;
	}
	return false;
}

static const char *alias_remove(struct directoryd *d, struct pool *pool, void *body, const char **account_r)
{
	const struct dir_alias_change *c = body;
	struct alias_record alias;
	targets left = ARRAY_IN(pool);
	const char *key = NULL, *err = own_address(d, pool, c->address, &key);
	(void)account_r;
	if (err)
		return err;
	if (!records_alias(d->records, pool, key, &alias))
		return pool_printf(pool, "There is no alias %s.", key);
	if (c->targets.n > TARGETS_MAX)
		return "An alias has 1 to 1000 targets.";
	for (size_t i = 0; c->targets.n && i < alias.n; i++)
		if (!is_named(d, pool, &c->targets, alias.targets[i].address))
			*array_add(&left) = alias.targets[i];
	if (left.n)
		records_put_alias(d->records, key, &(struct alias_record){left.v, left.n});
	else
		records_delete(d->records, TABLE_ALIASES, key);
	log_info("alias removed alias=%s targets=%zu", log_q(key), alias.n - left.n);
	return NULL;
}

/* NULL, or the sentence. "root: root" says what holds without it: no targets then. */
static const char *parse_targets(struct directoryd *d, struct pool *pool, const char *alias, const char *text,
	targets *list)
{
	struct span rest = span_of(text), piece;
	const char *itself = NULL;
	while (span_split(&rest, ',', &piece)) {
		const char *key, *err;
		piece = span_trim(piece);
		if (!piece.n)
			continue;
		err = target_key(d, pool, alias, pool_span(pool, piece), &key);
		if (err && key && strcmp(key, alias) == 0)
			itself = err;
		else if (err)
			return err;
		else
			add_target(list, key, ORIGIN_LOADED);
		if (list->n > TARGETS_MAX)
			return pool_printf(pool, "The alias %s has more than 1000 targets.", alias);
	}
	return list->n ? itself : NULL;
}

static const char *parse_entry(struct directoryd *d, struct pool *pool, const struct dir_entry *e,
	struct named_alias *alias_r)
{
	targets list = ARRAY_IN(pool);
	const char *err = own_address(d, pool, e->name, &alias_r->key);
	if (!err)
		err = parse_targets(d, pool, alias_r->key, e->text, &list);
	alias_r->alias = (struct alias_record){list.v, list.n};
	return err;
}

static const char *aliases_load(struct directoryd *d, struct pool *pool, void *body, const char **account_r)
{
	const struct dir_aliases *all = body;
	const struct dir_entry *v = all->entries.v;
	ARRAY(struct named_alias) aliases = ARRAY_IN(pool);
	(void)account_r;
	for (size_t i = 0; i < all->entries.n; i++) {
		struct named_alias one = {.key = ""};
		const char *err = parse_entry(d, pool, &v[i], &one);
		if (err)
			return err;
		if (one.alias.n)
			*array_add(&aliases) = one;
		fiber_breathe();
	}
	records_load_aliases(d->records, pool, d->default_domain, aliases.v, aliases.n);
	log_info("aliases loaded count=%zu", aliases.n);
	return NULL;
}

/* --- calls --- */

static void run_domain_add(struct ipc_server_conn *conn, struct ipc_request *rq, void *body)
{
	change(conn, rq, body, domain_add);
}

static void run_domain_remove(struct ipc_server_conn *conn, struct ipc_request *rq, void *body)
{
	change(conn, rq, body, domain_remove);
}

static void change_user(struct ipc_server_conn *conn, struct ipc_request *rq, void *body, change_fn fn)
{
	struct user_change c = {.asked = body};
	const char *err = make_keys(ipc_conn_arg(conn), rq->pool, &c);
	if (err)
		ipc_refuse(conn, rq, err);
	else
		change(conn, rq, &c, fn);
}

static void run_user_add(struct ipc_server_conn *conn, struct ipc_request *rq, void *body)
{
	change_user(conn, rq, body, user_add);
}

static void run_user_passwd(struct ipc_server_conn *conn, struct ipc_request *rq, void *body)
{
	change_user(conn, rq, body, user_passwd);
}

static void run_user_remove(struct ipc_server_conn *conn, struct ipc_request *rq, void *body)
{
	change(conn, rq, body, user_remove);
}

static void run_user_disable(struct ipc_server_conn *conn, struct ipc_request *rq, void *body)
{
	change(conn, rq, body, user_disable);
}

static void run_user_enable(struct ipc_server_conn *conn, struct ipc_request *rq, void *body)
{
	change(conn, rq, body, user_enable);
}

static void run_alias_add(struct ipc_server_conn *conn, struct ipc_request *rq, void *body)
{
	change(conn, rq, body, alias_add);
}

static void run_alias_remove(struct ipc_server_conn *conn, struct ipc_request *rq, void *body)
{
	change(conn, rq, body, alias_remove);
}

static void run_aliases_load(struct ipc_server_conn *conn, struct ipc_request *rq, void *body)
{
	change(conn, rq, body, aliases_load);
}

const struct ipc_handler admin_handlers[] = {
	{&dir_domain_add_msg, &dir_done_msg, run_domain_add, false},
	{&dir_domain_remove_msg, &dir_done_msg, run_domain_remove, false},
	{&dir_domain_list_msg, &dir_list_reply_msg, list_domains, false},
	{&dir_user_add_msg, &dir_done_msg, run_user_add, false},
	{&dir_user_remove_msg, &dir_done_msg, run_user_remove, false},
	{&dir_user_passwd_msg, &dir_done_msg, run_user_passwd, false},
	{&dir_user_disable_msg, &dir_done_msg, run_user_disable, false},
	{&dir_user_enable_msg, &dir_done_msg, run_user_enable, false},
	{&dir_user_list_msg, &dir_list_reply_msg, list_users, false},
	{&dir_alias_add_msg, &dir_done_msg, run_alias_add, false},
	{&dir_alias_remove_msg, &dir_done_msg, run_alias_remove, false},
	{&dir_alias_list_msg, &dir_list_reply_msg, list_aliases, false},
	{&dir_aliases_load_msg, &dir_done_msg, run_aliases_load, false},
};
const size_t admin_handlers_n = COUNT_OF(admin_handlers);
