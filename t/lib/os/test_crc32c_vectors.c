/* CRC-32C gives the published values, by instruction and without, whole and in pieces. */
#include "test.h"

static void published_values(void **state)
{
	(void)state;
	char zeros[32] = {0}, ones[32], up[32], down[32];
	memset(ones, 0xff, sizeof(ones));
	for (int i = 0; i < 32; i++) {
		up[i] = (char)i;
		down[i] = (char)(31 - i);
	}
	/* RFC 3720, B.4, and the check value of the polynomial's catalogues */
	const struct {
		const void *p;
		size_t n;
		uint32_t crc;
	} rows[] = {
		{zeros, 32, 0x8a9136aa},
		{ones, 32, 0x62a8ab43},
		{up, 32, 0x46dd794e},
		{down, 32, 0x113fdb5c},
		{"123456789", 9, 0xe3069283},
		{"", 0, 0},
	};
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		assert_int_equal(os_crc32c(0, rows[i].p, rows[i].n), rows[i].crc);
		assert_int_equal(os_crc32c_portable(0, rows[i].p, rows[i].n), rows[i].crc);
	}
}

static void pieces_and_both_ways_agree(void **state)
{
	(void)state;
	unsigned char bytes[257];
	os_random(bytes, sizeof(bytes));
	uint32_t whole = os_crc32c(0, bytes, sizeof(bytes));
	assert_int_equal(whole, os_crc32c_portable(0, bytes, sizeof(bytes)));
	for (size_t cut = 0; cut <= sizeof(bytes); cut++) {
		uint32_t crc = os_crc32c(0, bytes, cut);
		assert_int_equal(os_crc32c(crc, bytes + cut, sizeof(bytes) - cut), whole);
	}
}

/* Long ones are summed in blocks side by side. */
static void long_ones_agree(void **state)
{
	static unsigned char bytes[5 * 12288 + 300];
	(void)state;
	os_random(bytes, sizeof(bytes));
	for (size_t n = 4096; n <= sizeof(bytes); n += 4091) {
		uint32_t whole = os_crc32c_portable(0, bytes, n);
		assert_int_equal(os_crc32c(0, bytes, n), whole);
		assert_int_equal(os_crc32c(os_crc32c(0, bytes, n / 3), bytes + n / 3, n - n / 3), whole);
	}
	memset(bytes, 0, sizeof(bytes));
	assert_int_equal(os_crc32c(7, bytes, sizeof(bytes)),
		os_crc32c_portable(7, bytes, sizeof(bytes)));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(published_values),
		cmocka_unit_test(pieces_and_both_ways_agree),
		cmocka_unit_test(long_ones_agree),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
