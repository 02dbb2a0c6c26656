#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdio.h>

#include "master/directoryd/directoryd.h"

static void they_double_up_to_a_limit(void **state)
{
	static const int64_t want[] = {2000, 4000, 8000, 15000, 15000};
	struct delays *d = delays_new(2000);
	(void)state;
	for (size_t i = 0; i < COUNT_OF(want); i++)
		assert_int_equal(delays_failure(d, "192.0.2.1"), want[i]);
	assert_int_equal(delays_failure(d, "192.0.2.2"), 2000);
	delays_free(&d);
	assert_null(d);
}

static void a_long_first_one_is_the_limit(void **state)
{
	struct delays *d = delays_new(60000), *none = delays_new(0);
	(void)state;
	for (int i = 0; i < 3; i++) {
		assert_int_equal(delays_failure(d, "192.0.2.1"), 60000);
		assert_int_equal(delays_failure(none, "192.0.2.1"), 0);
	}
	delays_free(&d);
	delays_free(&none);
}

static const struct {
	const char *a, *b;
	bool same;
} pairs[] = {
	{"192.0.2.1", "192.0.2.1", true},
	{"192.0.2.1", "192.0.2.10", false},
	{"2001:db8::1", "2001:db8::ffff:1", true},
	{"2001:db8::1", "2001:db8:0:1::1", false},
	{"::ffff:192.0.2.1", "::ffff:192.0.2.2", false},
	{"unix", "unix", true},
	{"", "unix", false},
};

static void an_address_is_a_host_or_a_network(void **state)
{
	(void)state;
	for (size_t i = 0; i < COUNT_OF(pairs); i++) {
		struct delays *d = delays_new(1);
		delays_failure(d, pairs[i].a);
		assert_int_equal(delays_failure(d, pairs[i].b), pairs[i].same ? 2 : 1);
		delays_free(&d);
	}
}

/* Whoever sends from very many is not remembered for ever; the most recent are. */
static void memory_is_bounded(void **state)
{
	struct delays *d = delays_new(1);
	char ip[32];
	(void)state;
	for (int i = 0; i < 100000; i++) {
		snprintf(ip, sizeof(ip), "10.%d.%d.%d", i >> 16, i >> 8 & 255, i & 255);
		assert_int_equal(delays_failure(d, ip), 1);
	}
	assert_int_equal(delays_failure(d, ip), 2);
	assert_int_equal(delays_failure(d, "192.0.2.1"), 1); /* takes the place of the first */
	assert_int_equal(delays_failure(d, "10.0.0.0"), 1);
	assert_int_equal(delays_failure(d, ip), 4);
	delays_free(&d);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(they_double_up_to_a_limit),
		cmocka_unit_test(a_long_first_one_is_the_limit),
		cmocka_unit_test(an_address_is_a_host_or_a_network),
		cmocka_unit_test(memory_is_bounded),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
