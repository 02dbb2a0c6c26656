#include "master/directoryd/directoryd.h"

#include "base/log.h"
#include "base/wire.h"
#include "os/os.h"

/*
 * Rows are versioned byte strings. A cache of raw rows, absent ones too, stands before the database: look-ups of
 * live mail never leave this thread. Any change empties it; past its limit it starts over.
 */
#define CACHE_ROWS_MAX 200000
#define RECORD_VERSION 1
#define ACCOUNT_OCTETS 20

struct records {
	struct directoryd *d;
	struct hash *cache;
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

static void empty_cache(struct records *r)
{
	size_t at = 0;
	struct span key;
	void *value;
	while (hash_next(r->cache, &at, &key, &value))
		mem_free(&value);
	hash_free(&r->cache);
	r->cache = hash_new();
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

static struct span cache_key(char table, const char *key, char *buf, size_t size)
{
	size_t n = strlen(key);
	if (n + 1 > size)
		n = size - 1;
	buf[0] = table;
	memcpy(buf + 1, key, n);
	return span_make(buf, n + 1);
}

static void remember(struct records *r, struct span key, bool found, struct span value)
{
	if (hash_count(r->cache) >= CACHE_ROWS_MAX)
		empty_cache(r);
	struct cached *c = mem_alloc(sizeof(*c) + value.n);
	c->found = found;
	c->n = value.n;
	if (value.n)
		memcpy(c->bytes, value.p, value.n);
	void *old = hash_set(r->cache, key, c);
	mem_free(&old);
}

/* The span may be the cache's: valid until this fiber waits. */
static int get(struct records *r, struct pool *pool, enum table table, const char *key,
	struct span *value_r)
{
	char buf[NAME_OCTETS_MAX + 2];
	struct span k = cache_key((char)('0' + table), key, buf, sizeof(buf));
	struct cached *c = hash_find(r->cache, k);
	if (c) {
		*value_r = span_make(c->bytes, c->n);
		return c->found;
	}
	uint64_t before = r->changes;
	*value_r = span_of("");
	int rc = kv_get(r->d->kv, table, span_of(key), pool, value_r);
	if (rc >= 0 && before == r->changes)
		remember(r, k, rc == 1, rc == 1 ? *value_r : span_of(""));
	return rc;
}

int records_domain(struct records *r, const char *domain)
{
	struct pool *pool = pool_new("domain");
	struct span ignored;
	int rc = get(r, pool, TABLE_DOMAINS, domain, &ignored);
	pool_free(&pool);
	return rc;
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
	user_r->disabled = get_u8(&rd) != 0;
	if (rd.bad || version != RECORD_VERSION)
		log_panic("directory: a user's row can't be read");
}

int records_user(
	struct records *r, struct pool *pool, const char *key, struct user_record *user_r)
{
	struct span value;
	int rc = get(r, pool, TABLE_USERS, key, &value);
	if (rc == 1)
		records_parse_user(value, pool, user_r);
	return rc;
}

void records_parse_alias(struct span value, struct pool *pool, struct alias_record *alias_r)
{
	struct reader rd = reader_of(value);
	uint8_t version = get_u8(&rd);
	uint64_t n = get_varint(&rd);
	if (rd.bad || version != RECORD_VERSION || n > value.n)
		log_panic("directory: an alias' row can't be read");
	alias_r->targets = pool_array(pool, n, sizeof(char *));
	alias_r->n = n;
	for (size_t i = 0; i < n; i++)
		alias_r->targets[i] = get_cstr(&rd, pool);
	if (rd.bad)
		log_panic("directory: an alias' row can't be read");
}

int records_alias(
	struct records *r, struct pool *pool, const char *key, struct alias_record *alias_r)
{
	struct span value;
	int rc = get(r, pool, TABLE_ALIASES, key, &value);
	if (rc == 1)
		records_parse_alias(value, pool, alias_r);
	return rc;
}

static int commit(struct records *r, struct kv_batch *batch)
{
	int rc = kv_batch_commit(&batch, true);
	empty_cache(r);
	return rc;
}

int records_put_domain(struct records *r, const char *domain)
{
	struct kv_batch *batch = kv_batch_new(r->d->kv);
	kv_batch_put(batch, TABLE_DOMAINS, span_of(domain), SPAN_LIT("\1"));
	return commit(r, batch);
}

int records_put_user(struct records *r, const char *key, const struct user_record *user)
{
	struct str row = STR_INIT;
	put_u8(&row, RECORD_VERSION);
	put_cstr(&row, user->account);
	put_cstr(&row, user->scram256);
	put_cstr(&row, user->scram1);
	put_cstr(&row, user->crypt);
	put_varint(&row, user->quota_bytes);
	put_varint(&row, user->quota_messages);
	put_u8(&row, user->disabled);
	struct kv_batch *batch = kv_batch_new(r->d->kv);
	kv_batch_put(batch, TABLE_USERS, span_of(key), str_span(&row));
	kv_batch_put(batch, TABLE_ACCOUNTS, span_of(user->account), span_of(key));
	str_fini(&row);
	return commit(r, batch);
}

static void put_targets(struct str *row, const char *const *targets, size_t n)
{
	put_u8(row, RECORD_VERSION);
	put_varint(row, n);
	for (size_t i = 0; i < n; i++)
		put_cstr(row, targets[i]);
}

int records_put_alias(struct records *r, const char *key, const char *const *targets, size_t n)
{
	struct str row = STR_INIT;
	put_targets(&row, targets, n);
	struct kv_batch *batch = kv_batch_new(r->d->kv);
	kv_batch_put(batch, TABLE_ALIASES, span_of(key), str_span(&row));
	str_fini(&row);
	return commit(r, batch);
}

int records_delete(struct records *r, enum table table, const char *key)
{
	struct kv_batch *batch = kv_batch_new(r->d->kv);
	kv_batch_delete(batch, table, span_of(key));
	return commit(r, batch);
}

static int delete_aliases_of(struct records *r, struct kv_batch *batch, const char *suffix)
{
	struct span end = span_of(suffix);
	struct span from = span_of("");
	struct pool *pool = pool_new("aliases");
	struct kv_range range = {.table = TABLE_ALIASES, .limit = 1000, .keys_only = true};
	size_t n;
	do {
		struct kv_row *rows;
		range.from = from;
		range.after = from.n > 0;
		if (kv_scan(r->d->kv, &range, pool, &rows, &n) != 0) {
			pool_free(&pool);
			return -1;
		}
		for (size_t i = 0; i < n; i++) {
			struct span k = rows[i].key;
			if (k.n > end.n && span_eq(span_make(k.p + k.n - end.n, end.n), end))
				kv_batch_delete(batch, TABLE_ALIASES, k);
		}
		if (n)
			from = rows[n - 1].key;
	} while (n == range.limit);
	pool_free(&pool);
	return 0;
}

int records_replace_aliases(struct records *r, const char *suffix, const struct dir_aliases *all)
{
	struct pool *pool = pool_new("aliases");
	struct kv_batch *batch = kv_batch_new(r->d->kv);
	int rc = delete_aliases_of(r, batch, suffix);
	for (size_t i = 0; rc == 0 && i < all->entries.n; i++) {
		const struct dir_entry *e = (const struct dir_entry *)all->entries.v + i;
		ARRAY(const char *) targets = ARRAY_IN(pool);
		struct span rest = span_of(e->text), piece;
		while (span_split(&rest, ',', &piece)) {
			piece = span_trim(piece);
			if (piece.n)
				*array_add(&targets) = pool_span(pool, piece);
		}
		struct str row = STR_IN(pool);
		put_targets(&row, targets.v, targets.n);
		kv_batch_put(batch, TABLE_ALIASES, span_of(e->name), str_span(&row));
	}
	if (rc == 0)
		rc = commit(r, batch);
	else
		kv_batch_abort(&batch);
	pool_free(&pool);
	return rc;
}

const char *records_mint_account(struct records *r, struct pool *pool)
{
	static const char digits[] = "abcdefghijklmnopqrstuvwxyz234567";
	char *id = pool_alloc(pool, ACCOUNT_OCTETS + 1);
	struct span ignored;
	do {
		os_random(id, ACCOUNT_OCTETS);
		for (size_t i = 0; i < ACCOUNT_OCTETS; i++)
			id[i] = digits[(unsigned char)id[i] & 31];
	} while (kv_get(r->d->kv, TABLE_ACCOUNTS, span_make(id, ACCOUNT_OCTETS), pool, &ignored) == 1);
	return id;
}

int records_secret(struct records *r, struct pool *pool, struct span *secret_r)
{
	struct span name = SPAN_LIT("secret");
	int rc = kv_get(r->d->kv, TABLE_META, name, pool, secret_r);
	if (rc != 0)
		return rc == 1 ? 0 : -1;
	char *secret = pool_alloc(pool, 32);
	os_random(secret, 32);
	*secret_r = span_make(secret, 32);
	struct kv_batch *batch = kv_batch_new(r->d->kv);
	kv_batch_put(batch, TABLE_META, name, *secret_r);
	return kv_batch_commit(&batch, true);
}
