#include "master/directoryd/directoryd.h"

#include <crypt.h>
#include <openssl/crypto.h>
#include <openssl/evp.h>
#include <openssl/hmac.h>

#include "base/clock.h"
#include "base/codec.h"
#include "base/log.h"
#include "base/num.h"
#include "os/os.h"

/*
 * Passwords are kept as SCRAM keys (RFC 5802, 7677) in the form of RFC 5803, or as crypt(3) hashes brought from elsewhere. A
 * password that was found right is remembered for a while as a keyed hash, so that a client which logs in every
 * minute does not pay for the slow hash every time; changing the password makes the entry useless, because the stored key
 * is part of it.
 */
#define SALT_OCTETS      16
#define REMEMBER_MS      (10 * 60 * 1000)
#define REMEMBERED_MAX   50000
#define PASSWORD_OCTETS_MAX 1024

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

static void derive(const EVP_MD *md, const char *password, size_t length, struct span salt,
	int iterations, unsigned char *stored_r, unsigned char *server_r)
{
	unsigned char salted[EVP_MAX_MD_SIZE], client[EVP_MAX_MD_SIZE];
	unsigned n;
	int size = EVP_MD_get_size(md);
	PKCS5_PBKDF2_HMAC(password, (int)length, (const unsigned char *)salt.p, (int)salt.n,
		iterations, md, size, salted);
	HMAC(md, salted, size, (const unsigned char *)"Client Key", 10, client, &n);
	EVP_Digest(client, (size_t)size, stored_r, &n, md, NULL);
	HMAC(md, salted, size, (const unsigned char *)"Server Key", 10, server_r, &n);
	OPENSSL_cleanse(salted, sizeof(salted));
	OPENSSL_cleanse(client, sizeof(client));
}

static const char *write_scram(struct pool *pool, bool sha256, const char *password, size_t length,
	struct span salt, int iterations)
{
	const EVP_MD *md = sha256 ? EVP_sha256() : EVP_sha1();
	unsigned char stored[EVP_MAX_MD_SIZE], server[EVP_MAX_MD_SIZE];
	size_t size = (size_t)EVP_MD_get_size(md);
	derive(md, password, length, salt, iterations, stored, server);
	struct str out = STR_IN(pool);
	str_printf(&out, "SCRAM-SHA-%s$%d:", sha256 ? "256" : "1", iterations);
	base64_put(&out, salt);
	str_putc(&out, '$');
	base64_put(&out, span_make(stored, size));
	str_putc(&out, ':');
	base64_put(&out, span_make(server, size));
	return str_c(&out);
}

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
	char salt[2][SALT_OCTETS];
	os_random(salt, sizeof(salt));
	size_t n = strlen(m->password);
	m->user->scram256 = write_scram(m->pool, true, m->password, n,
		span_make(salt[0], SALT_OCTETS), m->iterations);
	m->user->scram1 = write_scram(m->pool, false, m->password, n,
		span_make(salt[1], SALT_OCTETS), m->iterations);
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
	if (records_secret(d->records, p->pool, &p->secret) != 0)
		log_fatal("The directory's secret can't be read.");
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

/* SCRAM-SHA-256$iterations:salt$StoredKey:ServerKey; true when StoredKey is the password's. */
static bool check_scram(const char *keys, const char *password, size_t length)
{
	struct span rest = span_of(keys), name, numbers, hashes, iterations, salt, stored;
	struct str salt_bytes = STR_INIT, stored_bytes = STR_INIT;
	unsigned char have[EVP_MAX_MD_SIZE], ignored[EVP_MAX_MD_SIZE];
	uint32_t count;
	bool right = false;
	if (span_split(&rest, '$', &name) && span_split(&rest, '$', &numbers)
		&& span_split(&rest, '$', &hashes) && span_split(&numbers, ':', &iterations)
		&& span_split(&numbers, ':', &salt) && span_split(&hashes, ':', &stored)
		&& num_parse_u32(iterations, 10000000, &count) && base64_parse(&salt_bytes, salt)
		&& base64_parse(&stored_bytes, stored) && stored_bytes.len == 32) {
		derive(EVP_sha256(), password, length, str_span(&salt_bytes), (int)count, have,
			ignored);
		right = CRYPTO_memcmp(have, stored_bytes.s, 32) == 0;
	}
	str_fini(&salt_bytes);
	str_fini(&stored_bytes);
	return right;
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
		c->right = check_scram(c->user->scram256, c->password, c->length);
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
	struct passwords *p, struct pool *pool, const char *key, bool sha256)
{
	unsigned char salt[EVP_MAX_MD_SIZE], keys[EVP_MAX_MD_SIZE];
	unsigned n;
	const unsigned char *secret = (const unsigned char *)p->secret.p;
	HMAC(EVP_sha256(), secret, (int)p->secret.n, (const unsigned char *)key, strlen(key), salt, &n);
	HMAC(EVP_sha256(), secret, (int)p->secret.n, salt, n, keys, &n);
	size_t size = sha256 ? 32 : 20;
	struct str out = STR_IN(pool);
	str_printf(&out, "SCRAM-SHA-%s$%d:", sha256 ? "256" : "1",
		(int)p->d->conf->scram_iterations);
	/* Real users have different salts for the two mechanisms, so do these. */
	base64_put(&out, span_make(salt + (sha256 ? SALT_OCTETS : 0), SALT_OCTETS));
	str_putc(&out, '$');
	base64_put(&out, span_make(keys, size));
	str_putc(&out, ':');
	base64_put(&out, span_make(keys, size));
	return str_c(&out);
}
