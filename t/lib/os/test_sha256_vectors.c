/* SHA-256 gives the published values, by instructions and without, whole and in pieces of any length. */
#include <stdio.h>

#include "test.h"

#define LONG_MAX_OCTETS 1000

static void sum_of(bool fast, const void *p, size_t n, size_t cut, unsigned char sum[OS_SHA256_SIZE])
{
	struct os_sha256 h;
	os_sha256_init(&h);
	h.fast &= fast;
	os_sha256_add(&h, p, cut);
	os_sha256_add(&h, (const char *)p + cut, n - cut);
	os_sha256_end(&h, sum);
}

static void put_hex(const unsigned char sum[OS_SHA256_SIZE], char hex[2 * OS_SHA256_SIZE + 1])
{
	for (size_t i = 0; i < OS_SHA256_SIZE; i++)
		snprintf(hex + 2 * i, 3, "%02x", sum[i]);
}

static void published_values(void **state)
{
	static char million[1000000];
	/* FIPS 180-2, appendix B, and the examples that NIST publishes with it */
	const struct {
		const char *p;
		size_t n;
		const char *sum;
	} rows[] = {
		{"", 0, "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"},
		{"abc", 3, "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"},
		{"abcdbcdecdefdefgefghfghighijhijkijkljklmklmnlmnomnopnopq", 56,
			"248d6a61d20638b8e5c026930c3e6039a33ce45964ff2167f6ecedd419db06c1"},
		{million, sizeof(million),
			"cdc76e5c9914fb9281a1c7e284d73e67f1809a48a497200e046d39ccc7112cd0"},
	};
	(void)state;
	memset(million, 'a', sizeof(million));
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		for (int fast = 0; fast < 2; fast++) {
			unsigned char sum[OS_SHA256_SIZE];
			char hex[2 * OS_SHA256_SIZE + 1];
			sum_of(fast, rows[i].p, rows[i].n, rows[i].n / 3, sum);
			put_hex(sum, hex);
			assert_string_equal(hex, rows[i].sum);
		}
	}
}

/* Every length, so that the padding meets every place in a block; cut anywhere. */
static void pieces_and_both_ways_agree(void **state)
{
	unsigned char octets[LONG_MAX_OCTETS];
	(void)state;
	os_random(octets, sizeof(octets));
	for (size_t n = 0; n < 200; n++) {
		unsigned char whole[OS_SHA256_SIZE], sum[OS_SHA256_SIZE];
		os_sha256(octets, n, whole);
		for (size_t cut = 0; cut <= n; cut++) {
			sum_of(cut & 1, octets, n, cut, sum);
			assert_memory_equal(sum, whole, sizeof(sum));
		}
	}
	for (size_t cut = 0; cut <= sizeof(octets); cut += 7) {
		unsigned char whole[OS_SHA256_SIZE], sum[OS_SHA256_SIZE];
		os_sha256(octets, sizeof(octets), whole);
		sum_of(false, octets, sizeof(octets), cut, sum);
		assert_memory_equal(sum, whole, sizeof(sum));
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(published_values),
		cmocka_unit_test(pieces_and_both_ways_agree),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
