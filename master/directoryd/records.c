#include "master/directoryd/directoryd.h"

#include "base/log.h"
#include "base/wire.h"
#include "os/os.h"

/*
 * Rows are versioned byte strings. A cache of raw rows, absent ones too, stands before the database: look-ups of
 * live mail never leave this thread. A change drops its row from it; past its limit it starts over.
 *
 * A database that fails is never answered from: the process ends, callers see a temporary error, and master starts it
 * again, with recovery.
 */
#define CACHE_OCTETS_MAX (32 * 1024 * 1024)
#define CACHE_ROW_OCTETS 96 /* what a row costs beside its bytes, about */
#define RECORD_VERSION 1
#define ALIAS_VERSION  2
#define USER_DISABLED  1
#define USER_SYSTEM    2
#define ACCOUNT_OCTETS 20
#define SECRET_OCTETS  32
#define WALK_ROWS      1000 /* read at once */
#define WALK_OCTETS    (1024 * 1024)

struct records {
	struct directoryd *d;
	struct hash *cache;
	size_t octets;    /* in the cache */
	uint64_t changes; /* a row read before a change must not enter the cache after it */
};

struct cached {
	bool found;
	size_t n;
	char bytes[];
};

const char *const directory_tables[TABLE_COUNT + 1] = {
	[TABLE_DOMAINS] = "domains",
	[TABLE_USERS] = "users",
	[TABLE_ALIASES] = "aliases",
	[TABLE_ACCOUNTS] = "accounts",
	[TABLE_META] = "meta",
};

struct records *records_new(struct directoryd *d)
{
	struct records *r = mem_new(struct records);
	r->d = d;
	r->cache = hash_new();
	return r;
}

static _Noreturn void die(const struct records *r)
{
	if (kv_is_damaged(r->d->kv))
		log_fatal("The directory database in %s is damaged; restore it from a copy.",
			r->d->svc->common->directory_dir);
	log_fatal("The directory database failed; directoryd starts again.");
}

static void empty_cache(struct records *r)
{
	size_t at = 0;
	struct span key;
	void *value;
	while (hash_next(r->cache, &at, &key, &value))
		mem_free(&value);
	hash_free(&r->cache);
	r->cache = hash_new();
	r->octets = 0;
	r->changes++;
}

void records_free(struct records **r)
{
	if (!*r)
		return;
	empty_cache(*r);
	hash_free(&(*r)->cache);
	mem_free(r);
}

struct cache_key {
	char bytes[NAME_OCTETS_MAX + 2];
	struct span span;
};

/* Keys come from names.c, which keeps them short. */
static void cache_key(enum table table, const char *key, struct cache_key *key_r)
{
	size_t n = strlen(key);
	if (n > NAME_OCTETS_MAX + 1)
		log_panic("directory: a key of %zu octets", n);
	key_r->bytes[0] = (char)('0' + table);
	memcpy(key_r->bytes + 1, key, n);
	key_r->span = span_make(key_r->bytes, n + 1);
}

/* account: see lookers_tell. */
static void drop_row(struct records *r, enum table table, const char *key, const char *account)
{
	struct cache_key k;
	cache_key(table, key, &k);
	struct cached *c = hash_remove(r->cache, k.span);
	if (c)
		r->octets -= CACHE_ROW_OCTETS + k.span.n + c->n;
	mem_free(&c);
	r->changes++;
	lookers_tell(r->d, account);
}

static void remember(struct records *r, struct span key, bool found, struct span value)
{
	size_t octets = CACHE_ROW_OCTETS + key.n + value.n;
	if (octets > CACHE_OCTETS_MAX / 16)
		return;
	if (r->octets + octets > CACHE_OCTETS_MAX)
		empty_cache(r);
	struct cached *c = mem_alloc(sizeof(*c) + value.n);
	c->found = found;
	c->n = value.n;
	if (value.n)
		memcpy(c->bytes, value.p, value.n);
	struct cached *old = hash_set(r->cache, key, c);
	r->octets += octets;
	if (old) /* another fiber read the same row meanwhile */
		r->octets -= CACHE_ROW_OCTETS + key.n + old->n;
	mem_free(&old);
}

bool records_find(struct records *r, struct pool *pool, enum table table, const char *key,
	struct span *value_r)
{
	struct cache_key k;
	cache_key(table, key, &k);
	struct cached *c = hash_find(r->cache, k.span);
	if (c) {
		*value_r = span_make(c->bytes, c->n);
		return c->found;
	}
	uint64_t before = r->changes;
	*value_r = span_of("");
	int rc = kv_get(r->d->kv, table, span_of(key), pool, value_r);
	if (rc < 0)
		die(r);
	if (before == r->changes)
		remember(r, k.span, rc == 1, *value_r);
	return rc == 1;
}

bool records_domain(struct records *r, const char *domain)
{
	struct pool *pool = pool_new("domain");
	struct span ignored;
	bool found = records_find(r, pool, TABLE_DOMAINS, domain, &ignored);
	pool_free(&pool);
	return found;
}

void records_parse_user(struct span value, struct pool *pool, struct user_record *user_r)
{
	struct reader rd = reader_of(value);
	*user_r = (struct user_record){0};
	uint8_t version = get_u8(&rd);
	user_r->account = get_cstr(&rd, pool);
	user_r->scram256 = get_cstr(&rd, pool);
	user_r->scram1 = get_cstr(&rd, pool);
	user_r->crypt = get_cstr(&rd, pool);
	user_r->quota_bytes = get_varint(&rd);
	user_r->quota_messages = get_varint(&rd);
	uint8_t flags = get_u8(&rd);
	user_r->disabled = flags & USER_DISABLED;
	user_r->system = flags & USER_SYSTEM;
	if (rd.bad || version != RECORD_VERSION)
		log_panic("directory: a user's row can't be read");
}

bool records_user(
	struct records *r, struct pool *pool, const char *key, struct user_record *user_r)
{
	struct span value;
	bool found = records_find(r, pool, TABLE_USERS, key, &value);
	if (found)
		records_parse_user(value, pool, user_r);
	return found;
}

void records_parse_alias(struct span value, struct pool *pool, struct alias_record *alias_r)
{
	struct reader rd = reader_of(value);
	uint8_t version = get_u8(&rd);
	uint64_t n = get_varint(&rd);
	if (rd.bad || version < 1 || version > ALIAS_VERSION || n > value.n)
		log_panic("directory: an alias' row can't be read");
	alias_r->targets = pool_array(pool, n, sizeof(*alias_r->targets));
	alias_r->n = n;
	for (size_t i = 0; i < n; i++) {
		alias_r->targets[i].address = get_cstr(&rd, pool);
		alias_r->targets[i].origins = version == 1 ? ORIGIN_ADDED : get_u8(&rd);
	}
	if (rd.bad)
		log_panic("directory: an alias' row can't be read");
}

bool records_alias(
	struct records *r, struct pool *pool, const char *key, struct alias_record *alias_r)
{
	struct span value;
	bool found = records_find(r, pool, TABLE_ALIASES, key, &value);
	if (found)
		records_parse_alias(value, pool, alias_r);
	return found;
}

static void commit(struct records *r, struct kv_batch *batch)
{
	if (kv_batch_commit(&batch, true) != 0)
		die(r);
}

static void put(struct records *r, struct kv_batch *batch, enum table table, const char *key,
	struct span value, const char *account)
{
	kv_batch_put(batch, table, span_of(key), value);
	commit(r, batch);
	drop_row(r, table, key, account);
}

void records_put_domain(struct records *r, const char *domain)
{
	put(r, kv_batch_new(r->d->kv), TABLE_DOMAINS, domain, SPAN_LIT("\1"), "");
}

void records_put_user(struct records *r, const char *key, const struct user_record *user)
{
	struct str row = STR_INIT;
	put_u8(&row, RECORD_VERSION);
	put_cstr(&row, user->account);
	put_cstr(&row, user->scram256);
	put_cstr(&row, user->scram1);
	put_cstr(&row, user->crypt);
	put_varint(&row, user->quota_bytes);
	put_varint(&row, user->quota_messages);
	put_u8(&row, (uint8_t)((user->disabled ? USER_DISABLED : 0) | (user->system ? USER_SYSTEM : 0)));
	struct kv_batch *batch = kv_batch_new(r->d->kv);
	kv_batch_put(batch, TABLE_ACCOUNTS, span_of(user->account), span_of(key));
	put(r, batch, TABLE_USERS, key, str_span(&row), user->account);
	str_fini(&row);
}

static void put_targets(struct str *row, const struct alias_record *alias)
{
	put_u8(row, ALIAS_VERSION);
	put_varint(row, alias->n);
	for (size_t i = 0; i < alias->n; i++) {
		put_cstr(row, alias->targets[i].address);
		put_u8(row, (uint8_t)alias->targets[i].origins);
	}
}

void records_put_alias(struct records *r, const char *key, const struct alias_record *alias)
{
	struct str row = STR_INIT;
	put_targets(&row, alias);
	put(r, kv_batch_new(r->d->kv), TABLE_ALIASES, key, str_span(&row), "");
	str_fini(&row);
}

static void delete(struct records *r, enum table table, const char *key, const char *account)
{
	struct kv_batch *batch = kv_batch_new(r->d->kv);
	kv_batch_delete(batch, table, span_of(key));
	commit(r, batch);
	drop_row(r, table, key, account);
}

void records_delete(struct records *r, enum table table, const char *key)
{
	delete(r, table, key, "");
}

void records_delete_user(struct records *r, const char *key, const char *account)
{
	delete(r, TABLE_USERS, key, account);
}

static void keep_place(struct records_walk *w, struct span key)
{
	str_reset(&w->after);
	str_add_span(&w->after, key);
}

void records_walk_init(struct records_walk *w, enum table table, const char *after, bool keys_only)
{
	*w = (struct records_walk){
		.pool = pool_new("walk"),
		.range = {.table = table, .limit = WALK_ROWS, .octets = WALK_OCTETS, .keys_only = keys_only},
	};
	keep_place(w, span_of(after));
}

void records_walk_fini(struct records_walk *w)
{
	str_fini(&w->after);
	pool_free(&w->pool);
}

const struct kv_row *records_walk_next(struct records *r, struct records_walk *w)
{
	if (w->at == w->n) {
		if (w->n)
			keep_place(w, w->rows[w->n - 1].key);
		w->range.from = str_span(&w->after);
		w->range.after = w->after.len > 0;
		pool_reset(w->pool);
		w->at = w->n = 0;
		if (kv_scan(r->d->kv, &w->range, w->pool, &w->rows, &w->n) != 0)
			die(r);
	}
	return w->at < w->n ? &w->rows[w->at++] : NULL;
}

static void put_alias(struct kv_batch *batch, struct span key, const struct alias_record *alias)
{
	struct str value = STR_INIT;
	put_targets(&value, alias);
	kv_batch_put(batch, TABLE_ALIASES, key, str_span(&value));
	str_fini(&value);
}

/* Leaves what was added. */
static void drop_loaded(struct alias_record *alias)
{
	size_t n = 0;
	for (size_t i = 0; i < alias->n; i++) {
		alias->targets[n] = alias->targets[i];
		alias->targets[n].origins &= ~(unsigned)ORIGIN_LOADED;
		n += alias->targets[n].origins != 0;
	}
	alias->n = n;
}

static struct alias_target *find_target(const struct alias_record *alias, const char *address)
{
	for (size_t i = 0; i < alias->n; i++)
		if (strcmp(alias->targets[i].address, address) == 0)
			return &alias->targets[i];
	return NULL;
}

/* The targets of both. */
static void merge(struct pool *pool, struct alias_record *into, const struct alias_record *more)
{
	struct alias_target *all = pool_array(pool, into->n + more->n, sizeof(*all));
	memcpy(all, into->targets, into->n * sizeof(*all));
	into->targets = all;
	for (size_t i = 0; i < more->n; i++) {
		struct alias_target *same = find_target(into, more->targets[i].address);
		if (same)
			same->origins |= more->targets[i].origins;
		else
			all[into->n++] = more->targets[i];
	}
}

/* One that was there: what was added to it goes on beside what the file says now. */
static void load_over(struct pool *pool, struct kv_batch *batch, const struct hash *loaded, const struct kv_row *row)
{
	struct alias_record old;
	struct named_alias *now = hash_find(loaded, row->key);
	records_parse_alias(row->value, pool, &old);
	drop_loaded(&old);
	if (now)
		merge(pool, &now->alias, &old);
	else if (old.n)
		put_alias(batch, row->key, &old);
	else
		kv_batch_delete(batch, TABLE_ALIASES, row->key);
}

void records_load_aliases(struct records *r, struct pool *pool, const char *domain, struct named_alias *all, size_t n)
{
	struct kv_batch *batch = kv_batch_new(r->d->kv);
	struct hash *loaded = hash_new();
	const struct kv_row *row;
	struct records_walk w;
	for (size_t i = 0; i < n; i++)
		hash_set(loaded, span_of(all[i].key), &all[i]);
	records_walk_init(&w, TABLE_ALIASES, "", false);
	while ((row = records_walk_next(r, &w)))
		if (name_is_in(row->key, domain))
			load_over(pool, batch, loaded, row);
	records_walk_fini(&w);
	for (size_t i = 0; i < n; i++)
		put_alias(batch, span_of(all[i].key), &all[i].alias);
	hash_free(&loaded);
	commit(r, batch);
	empty_cache(r);
	lookers_tell(r->d, "");
}

const char *records_mint_account(struct records *r, struct pool *pool)
{
	static const char digits[] = "abcdefghijklmnopqrstuvwxyz234567";
	char *id = pool_alloc(pool, ACCOUNT_OCTETS + 1);
	struct span ignored;
	int rc;
	do {
		os_random(id, ACCOUNT_OCTETS);
		for (size_t i = 0; i < ACCOUNT_OCTETS; i++)
			id[i] = digits[(unsigned char)id[i] & 31];
		rc = kv_get(r->d->kv, TABLE_ACCOUNTS, span_make(id, ACCOUNT_OCTETS), pool, &ignored);
	} while (rc == 1);
	if (rc < 0)
		die(r);
	return id;
}

struct span records_secret(struct records *r, struct pool *pool)
{
	struct span name = SPAN_LIT("secret"), secret;
	int rc = kv_get(r->d->kv, TABLE_META, name, pool, &secret);
	if (rc < 0)
		die(r);
	if (rc == 1)
		return secret;
	char *bytes = pool_alloc(pool, SECRET_OCTETS);
	os_random(bytes, SECRET_OCTETS);
	struct kv_batch *batch = kv_batch_new(r->d->kv);
	kv_batch_put(batch, TABLE_META, name, span_make(bytes, SECRET_OCTETS));
	commit(r, batch);
	return span_make(bytes, SECRET_OCTETS);
}
