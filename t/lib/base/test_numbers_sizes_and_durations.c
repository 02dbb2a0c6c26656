#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "base/array.h"
#include "base/num.h"

static const struct {
	const char *text;
	bool ok;
	uint64_t value;
} sizes[] = {
	{"0", true, 0},
	{"12", true, 12},
	{"4k", true, 4096},
	{"4K", true, 4096},
	{"50M", true, 50u << 20},
	{"1GB", true, 1u << 30},
	{"2t", true, (uint64_t)2 << 40},
	{"18446744073709551615", true, UINT64_MAX},
	{"18446744073709551616", false, 0},
	{"17179869184G", false, 0},
	{"", false, 0},
	{"k", false, 0},
	{"-1", false, 0},
	{"4 k", false, 0},
	{"4kk", false, 0},
};

static const struct {
	const char *text;
	bool ok;
	int64_t ms;
} durations[] = {
	{"10", true, 10000},
	{"500ms", true, 500},
	{"5m", true, 300000},
	{"1h30m", true, 5400000},
	{"5d", true, 432000000},
	{"1w", true, 604800000},
	{"0", true, 0},
	{"", false, 0},
	{"m", false, 0},
	{"5x", false, 0},
	{"99999999999999999999", false, 0},
	{"9223372036854775807w", false, 0},
};

static const struct {
	const char *text;
	uint64_t max;
	bool ok;
} numbers[] = {
	{"0", 0, true},
	{"1", 0, false},
	{"4294967295", UINT32_MAX, true},
	{"4294967296", UINT32_MAX, false},
	{"+1", 10, false},
	{" 1", 10, false},
	{"1a", 10, false},
};

static void sizes_are_read_strictly(void **state)
{
	(void)state;
	for (size_t i = 0; i < COUNT_OF(sizes); i++) {
		uint64_t v = 0;
		assert_int_equal(num_parse_size(span_of(sizes[i].text), &v), sizes[i].ok);
		assert_int_equal(v, sizes[i].value);
	}
}

static void durations_are_read_strictly(void **state)
{
	(void)state;
	for (size_t i = 0; i < COUNT_OF(durations); i++) {
		int64_t ms = 0;
		assert_int_equal(num_parse_duration(span_of(durations[i].text), &ms), durations[i].ok);
		assert_int_equal(ms, durations[i].ms);
	}
}

static void numbers_have_bounds(void **state)
{
	(void)state;
	for (size_t i = 0; i < COUNT_OF(numbers); i++) {
		uint64_t v;
		assert_int_equal(
			num_parse_u64(span_of(numbers[i].text), numbers[i].max, &v), numbers[i].ok);
	}
}

static void hexadecimal(void **state)
{
	uint64_t v;
	(void)state;
	assert_true(num_parse_hex(span_of("00000000deadBEEF"), &v));
	assert_int_equal(v, 0xdeadbeef);
	assert_false(num_parse_hex(span_of(""), &v));
	assert_false(num_parse_hex(span_of("0x1"), &v));
	assert_false(num_parse_hex(span_of("11112222333344445"), &v));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(sizes_are_read_strictly),
		cmocka_unit_test(durations_are_read_strictly),
		cmocka_unit_test(numbers_have_bounds),
		cmocka_unit_test(hexadecimal),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
