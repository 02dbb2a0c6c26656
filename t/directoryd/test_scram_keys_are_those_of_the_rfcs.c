#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <openssl/evp.h>
#include <openssl/hmac.h>

#include "base/codec.h"
#include "master/directoryd/directoryd.h"

/* The example exchanges of RFC 5802 section 5 and RFC 7677 section 3: user "user", password "pencil". */
static const struct {
	bool sha256;
	const char *salt, *messages, *proof, *signature;
} rows[] = {
	{false, "QSXCR+Q6sek8bf92",
		"n=user,r=fyko+d2lbbFgONRv9qkxdawL,"
		"r=fyko+d2lbbFgONRv9qkxdawL3rfcNHYJY1ZVvWVs7j,s=QSXCR+Q6sek8bf92,i=4096,"
		"c=biws,r=fyko+d2lbbFgONRv9qkxdawL3rfcNHYJY1ZVvWVs7j",
		"v0X8v3Bz2T0CJGbJQyF0X+HI4Ts=", "rmF9pqV8S7suAoZWja4dJRkFsKQ="},
	{true, "W22ZaJ0SNY7soEsUEjb6gQ==",
		"n=user,r=rOprNGfwEbeRWgbNEkqO,"
		"r=rOprNGfwEbeRWgbNEkqO%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0,s=W22ZaJ0SNY7soEsUEjb6gQ==,i=4096,"
		"c=biws,r=rOprNGfwEbeRWgbNEkqO%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0",
		"dHzbZapWIk4jUhN+Ute9ytag9zjfMHgsqmmiz7AndVQ=",
		"6rriTRBi23WpRR/wtup+mMhUZUn/dB5nLTJRsjl95G4="},
};

static struct span decode(struct str *out, struct span text)
{
	str_reset(out);
	assert_true(base64_parse(out, text));
	return str_span(out);
}

/* "NAME$iterations:salt$stored:server" */
static void take_apart(const char *keys, struct span *numbers, struct span *stored, struct span *server)
{
	struct span rest = span_of(keys), name, hashes;
	assert_true(span_split(&rest, '$', &name) && span_split(&rest, '$', numbers));
	assert_true(span_split(&rest, '$', &hashes) && !rest.p);
	assert_true(span_split(&hashes, ':', stored) && span_split(&hashes, ':', server) && !hashes.p);
}

static void keys_prove_the_examples(void **state)
{
	(void)state;
	for (size_t i = 0; i < COUNT_OF(rows); i++) {
		const EVP_MD *md = rows[i].sha256 ? EVP_sha256() : EVP_sha1();
		size_t size = (size_t)EVP_MD_get_size(md);
		unsigned char sign[EVP_MAX_MD_SIZE], key[EVP_MAX_MD_SIZE], hash[EVP_MAX_MD_SIZE];
		const unsigned char *said = (const unsigned char *)rows[i].messages;
		struct pool *pool = pool_new("test");
		struct str a = STR_INIT, b = STR_INIT;
		struct span numbers, stored, server;
		unsigned n;
		const char *keys = scram_write(pool, rows[i].sha256, SPAN_LIT("pencil"),
			decode(&a, span_of(rows[i].salt)), 4096);
		take_apart(keys, &numbers, &stored, &server);
		assert_true(span_has_prefix(numbers, SPAN_LIT("4096:")));

		struct span sk = decode(&a, stored);
		assert_int_equal(sk.n, size);
		HMAC(md, sk.p, (int)sk.n, said, strlen(rows[i].messages), sign, &n);
		struct span proof = decode(&b, span_of(rows[i].proof));
		for (size_t k = 0; k < size; k++)
			key[k] = (unsigned char)proof.p[k] ^ sign[k];
		EVP_Digest(key, size, hash, &n, md, NULL);
		assert_memory_equal(hash, sk.p, size);

		struct span vk = decode(&a, server);
		HMAC(md, vk.p, (int)vk.n, said, strlen(rows[i].messages), sign, &n);
		struct span signature = decode(&b, span_of(rows[i].signature));
		assert_memory_equal(sign, signature.p, size);
		str_fini(&a);
		str_fini(&b);
		pool_free(&pool);
	}
}

static void a_password_is_checked_against_its_keys(void **state)
{
	struct pool *pool = pool_new("test");
	(void)state;
	const char *keys = scram_write(pool, true, SPAN_LIT("pencil"), SPAN_LIT("0123456789abcdef"), 4096);
	assert_true(scram_check(keys, SPAN_LIT("pencil")));
	assert_false(scram_check(keys, SPAN_LIT("pencil ")));
	assert_false(scram_check(keys, SPAN_LIT("Pencil")));
	assert_false(scram_check(keys, SPAN_LIT("")));
	const char *empty = scram_write(pool, true, SPAN_LIT(""), SPAN_LIT("0123456789abcdef"), 4096);
	assert_true(scram_check(empty, SPAN_LIT("")));
	assert_false(scram_check(empty, SPAN_LIT("x")));
	pool_free(&pool);
}

static void what_is_no_keys_fits_no_password(void **state)
{
	static const char *const texts[] = {"", "$", "$$", "SCRAM-SHA-256", "SCRAM-SHA-256$4096:c2FsdA==$:",
		"SCRAM-SHA-256$0:c2FsdA==$aaaa:bbbb", "SCRAM-SHA-256$x:c2FsdA==$aaaa:bbbb",
		"SCRAM-SHA-256$4096:%%%$aaaa:bbbb", "SCRAM-SHA-256$99999999999:c2FsdA==$aaaa:bbbb",
		"$6$salt$hash", ":::::", "SCRAM-SHA-256$4096$aaaa"};
	(void)state;
	for (size_t i = 0; i < COUNT_OF(texts); i++) {
		assert_false(scram_check(texts[i], SPAN_LIT("")));
		assert_false(scram_check(texts[i], SPAN_LIT("x")));
	}
}

static void made_up_keys_look_like_real_ones(void **state)
{
	struct pool *pool = pool_new("test");
	struct span secret = SPAN_LIT("0123456789abcdef0123456789abcdef");
	(void)state;
	for (int sha256 = 0; sha256 < 2; sha256++) {
		const char *real = scram_write(
			pool, sha256, SPAN_LIT("pw"), SPAN_LIT("0123456789abcdef"), 5000);
		const char *fake = scram_fake(pool, sha256, secret, "nobody@x.test", 5000);
		assert_int_equal(strlen(real), strlen(fake));
		assert_int_equal(strcspn(real, ":"), strcspn(fake, ":"));
		assert_memory_equal(real, fake, strcspn(real, ":"));
		assert_string_equal(fake, scram_fake(pool, sha256, secret, "nobody@x.test", 5000));
		assert_string_not_equal(fake, scram_fake(pool, sha256, secret, "nobody2@x.test", 5000));
		assert_string_not_equal(fake,
			scram_fake(pool, sha256, SPAN_LIT("another secret"), "nobody@x.test", 5000));
		assert_false(scram_check(fake, SPAN_LIT("")));
		assert_int_equal(scram_iterations(real), 5000);
		assert_int_equal(scram_iterations(fake), 5000);
		const char *other = scram_fake(pool, sha256, secret, "nobody@x.test", 6000);
		assert_string_not_equal(strchr(fake, ':'), strchr(other, ':')); /* another salt, too */
	}
	assert_int_equal(scram_iterations(""), 0);
	assert_int_equal(scram_iterations("SCRAM-SHA-256$x:y$z:z"), 0);
	/* Not the same salt for both mechanisms. */
	assert_memory_not_equal(strchr(scram_fake(pool, true, secret, "a", 1), ':'),
		strchr(scram_fake(pool, false, secret, "a", 1), ':'), 20);
	pool_free(&pool);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(keys_prove_the_examples),
		cmocka_unit_test(a_password_is_checked_against_its_keys),
		cmocka_unit_test(what_is_no_keys_fits_no_password),
		cmocka_unit_test(made_up_keys_look_like_real_ones),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
