#include "master/directoryd/directoryd.h"

#include <openssl/crypto.h>
#include <openssl/evp.h>
#include <openssl/hmac.h>

#include "base/codec.h"
#include "base/num.h"

/* SCRAM keys (RFC 5802 section 3, RFC 7677) as text (RFC 5803): "SCRAM-SHA-256$iterations:salt$StoredKey:ServerKey". */
#define ITERATIONS_MAX 10000000

static void derive(const EVP_MD *md, struct span password, struct span salt, int iterations,
	unsigned char *stored_r, unsigned char *server_r)
{
	unsigned char salted[EVP_MAX_MD_SIZE], client[EVP_MAX_MD_SIZE];
	unsigned n;
	int size = EVP_MD_get_size(md);
	PKCS5_PBKDF2_HMAC(password.p, (int)password.n, (const unsigned char *)salt.p, (int)salt.n,
		iterations, md, size, salted);
	HMAC(md, salted, size, (const unsigned char *)"Client Key", 10, client, &n);
	EVP_Digest(client, (size_t)size, stored_r, &n, md, NULL);
	HMAC(md, salted, size, (const unsigned char *)"Server Key", 10, server_r, &n);
	OPENSSL_cleanse(salted, sizeof(salted));
	OPENSSL_cleanse(client, sizeof(client));
}

static const char *put_keys(struct pool *pool, bool sha256, int iterations, struct span salt,
	struct span stored, struct span server)
{
	struct str out = STR_IN(pool);
	str_printf(&out, "SCRAM-SHA-%s$%d:", sha256 ? "256" : "1", iterations);
	base64_put(&out, salt);
	str_putc(&out, '$');
	base64_put(&out, stored);
	str_putc(&out, ':');
	base64_put(&out, server);
	return str_c(&out);
}

const char *scram_write(struct pool *pool, bool sha256, struct span password, struct span salt,
	int iterations)
{
	const EVP_MD *md = sha256 ? EVP_sha256() : EVP_sha1();
	unsigned char stored[EVP_MAX_MD_SIZE], server[EVP_MAX_MD_SIZE];
	size_t size = (size_t)EVP_MD_get_size(md);
	derive(md, password, salt, iterations, stored, server);
	return put_keys(
		pool, sha256, iterations, salt, span_make(stored, size), span_make(server, size));
}

struct keys {
	uint32_t iterations;
	struct str salt, stored;
};

static bool parse_keys(struct span text, struct keys *keys)
{
	struct span name, numbers, hashes, iterations, salt, stored;
	return span_split(&text, '$', &name) && span_split(&text, '$', &numbers)
		&& span_split(&text, '$', &hashes) && span_split(&numbers, ':', &iterations)
		&& span_split(&numbers, ':', &salt) && span_split(&hashes, ':', &stored)
		&& num_parse_u32(iterations, ITERATIONS_MAX, &keys->iterations) && keys->iterations
		&& base64_parse(&keys->salt, salt) && base64_parse(&keys->stored, stored)
		&& keys->stored.len == 32;
}

int scram_iterations(const char *keys)
{
	struct span rest = span_of(keys), name, numbers, iterations;
	uint32_t n = 0;
	bool good = span_split(&rest, '$', &name) && span_split(&rest, '$', &numbers)
		&& span_split(&numbers, ':', &iterations) && num_parse_u32(iterations, ITERATIONS_MAX, &n);
	return good ? (int)n : 0;
}

bool scram_check(const char *text, struct span password)
{
	struct keys keys = {0, STR_INIT, STR_INIT};
	bool right = parse_keys(span_of(text), &keys);
	if (right) {
		unsigned char have[EVP_MAX_MD_SIZE], ignored[EVP_MAX_MD_SIZE];
		derive(EVP_sha256(), password, str_span(&keys.salt), (int)keys.iterations, have, ignored);
		right = CRYPTO_memcmp(have, keys.stored.s, 32) == 0;
	}
	str_fini(&keys.salt);
	str_fini(&keys.stored);
	return right;
}

const char *scram_fake(struct pool *pool, bool sha256, struct span secret, const char *name, int iterations)
{
	unsigned char salt[EVP_MAX_MD_SIZE], keys[EVP_MAX_MD_SIZE];
	struct str all = STR_INIT;
	unsigned n;
	/* Real users get another salt when another password gives them another count, so do these. */
	str_printf(&all, "%d %s", iterations, name);
	HMAC(EVP_sha256(), secret.p, (int)secret.n, (const unsigned char *)all.s, all.len, salt, &n);
	str_fini(&all);
	HMAC(EVP_sha256(), secret.p, (int)secret.n, salt, n, keys, &n);
	struct span key = span_make(keys, sha256 ? 32 : 20);
	/* Real users have different salts for the two mechanisms, so do these. */
	return put_keys(pool, sha256, iterations,
		span_make(salt + (sha256 ? SCRAM_SALT_OCTETS : 0), SCRAM_SALT_OCTETS), key, key);
}
