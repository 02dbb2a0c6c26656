#include "master/directoryd/directoryd.h"

#include <crypt.h>
#include <openssl/crypto.h>
#include <openssl/evp.h>
#include <openssl/hmac.h>

#include "base/clock.h"
#include "base/log.h"
#include "os/os.h"

/*
 * Passwords are kept as SCRAM keys (RFC 5802, 7677) in the form of RFC 5803, or as crypt(3) hashes brought from elsewhere. A
 * password that was found right is remembered for a while as a keyed hash, so that a client which logs in every
 * minute does not pay for the slow hash every time; changing the password makes the entry useless, because the stored key
 * is part of it.
 */
#define REMEMBER_MS      (10 * 60 * 1000)
#define REMEMBERED_MAX   50000
#define NEIGHBOURS       8 /* users who are looked at for one with SCRAM keys */

struct passwords {
	struct directoryd *d;
	struct io_threads *threads;
	struct span secret;
	struct pool *pool;
	char key[32];            /* of this process: for the remembered */
	struct hash *remembered; /* digest -> struct memory */
	struct user_record nobody;
};

struct memory {
	int64_t until;
};

struct making {
	struct pool *pool;
	const char *password;
	int iterations;
	struct user_record *user;
};

/* On a password thread; nobody else uses the pool meanwhile: the fiber waits. */
static int make_keys(void *arg)
{
	struct making *m = arg;
	char salt[2][SCRAM_SALT_OCTETS];
	os_random(salt, sizeof(salt));
	struct span password = span_of(m->password);
	m->user->scram256 = scram_write(m->pool, true, password,
		span_make(salt[0], SCRAM_SALT_OCTETS), m->iterations);
	m->user->scram1 = scram_write(m->pool, false, password,
		span_make(salt[1], SCRAM_SALT_OCTETS), m->iterations);
	m->user->crypt = "";
	return 0;
}

void passwords_make(struct passwords *p, struct pool *pool, const char *password,
	struct user_record *user)
{
	struct pool *own = pool_new("keys");
	struct user_record made = {0};
	struct making m = {own, password, (int)p->d->conf->scram_iterations, &made};
	io_call_on(p->threads, make_keys, &m);
	user->scram256 = pool_strdup(pool, made.scram256);
	user->scram1 = pool_strdup(pool, made.scram1);
	user->crypt = "";
	pool_free(&own);
}

struct passwords *passwords_new(struct directoryd *d)
{
	struct passwords *p = mem_new(struct passwords);
	p->d = d;
	p->pool = pool_new("passwords");
	p->threads = io_threads_new("password", (unsigned)d->conf->password_threads);
	p->remembered = hash_new();
	os_random(p->key, sizeof(p->key));
	p->secret = records_secret(d->records, p->pool);
	passwords_make(p, p->pool, "", &p->nobody);
	return p;
}

void passwords_free(struct passwords **p)
{
	if (!*p)
		return;
	size_t at = 0;
	struct span key;
	void *value;
	while (hash_next((*p)->remembered, &at, &key, &value))
		mem_free(&value);
	hash_free(&(*p)->remembered);
	OPENSSL_cleanse((*p)->key, sizeof((*p)->key));
	pool_free(&(*p)->pool);
	mem_free(p);
}

struct checking {
	const struct user_record *user;
	const char *password;
	size_t length;
	bool right;
};

/* Hashing anything with a whole hash as the setting gives a text as long; what is no hash gives none, and a bare
 * setting a longer one. */
static int check_hash(void *arg)
{
	struct checking *c = arg;
	struct crypt_data *data = mem_new(struct crypt_data);
	const char *got = crypt_r("", c->user->crypt, data);
	c->right = got && got[0] != '*' && strlen(got) == strlen(c->user->crypt);
	mem_free(&data);
	return 0;
}

bool passwords_is_hash(struct passwords *p, const char *hash)
{
	struct user_record user = {.crypt = hash};
	struct checking c = {.user = &user};
	io_call_on(p->threads, check_hash, &c);
	return c.right;
}

static bool check_crypt(const char *hash, const char *password, size_t length)
{
	struct crypt_data *data = mem_new(struct crypt_data);
	char *text = mem_alloc(length + 1);
	memcpy(text, password, length);
	const char *got = crypt_r(text, hash, data);
	bool right = got && got[0] != '*' && strlen(got) == strlen(hash)
		&& CRYPTO_memcmp(got, hash, strlen(hash)) == 0;
	OPENSSL_cleanse(text, length);
	OPENSSL_cleanse(data, sizeof(*data));
	mem_free(&text);
	mem_free(&data);
	return right;
}

static int check_slowly(void *arg)
{
	struct checking *c = arg;
	if (*c->user->crypt)
		c->right = check_crypt(c->user->crypt, c->password, c->length);
	else
		c->right = scram_check(c->user->scram256, span_make(c->password, c->length));
	return 0;
}

/* What is remembered: a digest of everything that must still be the same. */
static void digest(struct passwords *p, const struct user_record *user, const char *key,
	const char *password, size_t length, unsigned char out[32])
{
	struct str all = STR_INIT;
	unsigned n;
	str_add(&all, key, strlen(key) + 1);
	str_add(&all, user->scram256, strlen(user->scram256) + 1);
	str_add(&all, user->crypt, strlen(user->crypt) + 1);
	str_add(&all, password, length);
	HMAC(EVP_sha256(), p->key, sizeof(p->key), (const unsigned char *)all.s, all.len, out, &n);
	OPENSSL_cleanse(all.s, all.len);
	str_fini(&all);
}

static void remember(struct passwords *p, struct span what)
{
	size_t at = 0;
	struct span key;
	void *value;
	if (hash_count(p->remembered) >= REMEMBERED_MAX)
		while (hash_next(p->remembered, &at, &key, &value)) {
			mem_free(&value);
			hash_remove(p->remembered, key);
		}
	struct memory *m = mem_new(struct memory);
	m->until = clock_mono_ms() + REMEMBER_MS;
	void *old = hash_set(p->remembered, what, m);
	mem_free(&old);
}

bool passwords_check(struct passwords *p, const struct user_record *user, const char *key,
	const char *password, size_t length)
{
	bool exists = user && (*user->scram256 || *user->crypt) && !user->disabled;
	const struct user_record *against = exists ? user : &p->nobody;
	unsigned char bytes[32];
	if (length > PASSWORD_OCTETS_MAX || memchr(password, 0, length))
		return false;
	digest(p, against, key, password, length, bytes);
	struct span what = span_make(bytes, sizeof(bytes));
	struct memory *known = hash_find(p->remembered, what);
	if (exists && known && known->until > clock_mono_ms())
		return true;
	struct checking c = {.user = against, .password = password, .length = length};
	io_call_on(p->threads, check_slowly, &c);
	if (!exists || !c.right)
		return false;
	remember(p, what);
	return true;
}

const char *passwords_fake_scram(
	struct passwords *p, struct pool *pool, const char *key, bool sha256, int iterations)
{
	return scram_fake(pool, sha256, p->secret, key, iterations);
}

/* Of the first of a few users behind `after` who has one; 0: none of them. */
static int count_behind(struct passwords *p, const char *after, bool sha256)
{
	const struct kv_row *row;
	struct records_walk w;
	int count = 0;
	records_walk_init(&w, TABLE_USERS, after, false);
	w.range.limit = NEIGHBOURS;
	for (int i = 0; i < NEIGHBOURS && !count && (row = records_walk_next(p->d->records, &w)); i++) {
		struct user_record user;
		records_parse_user(row->value, w.pool, &user);
		count = scram_iterations(sha256 ? user.scram256 : user.scram1);
	}
	records_walk_fini(&w);
	return count;
}

int passwords_usual_count(struct passwords *p, const char *key, bool sha256)
{
	int count = count_behind(p, key, sha256);
	if (!count)
		count = count_behind(p, "", sha256); /* behind the last comes the first */
	return count ? count : (int)p->d->conf->scram_iterations;
}
