/* Pauses grow and end; a destination's pace widens with success, halves with failure, closes when
 * its host is down. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "base/array.h"
#include "queue/retry.h"

static void pauses_double_up_to_the_most(void **state)
{
	static const struct {
		uint64_t attempts;
		int64_t first, most, expect;
	} rows[] = {
		{0, 300, 3600, 300},
		{1, 300, 3600, 300},
		{2, 300, 3600, 600},
		{3, 300, 3600, 1200},
		{4, 300, 3600, 2400},
		{5, 300, 3600, 3600},
		{6, 300, 3600, 3600},
		{UINT64_MAX, 300, 3600, 3600},
		{1, 3600, 300, 300},
		{9, 1, INT64_MAX, 256},
		{1000, 1, INT64_MAX, INT64_MAX},
	};
	(void)state;
	for (size_t i = 0; i < COUNT_OF(rows); i++)
		assert_int_equal(
			retry_pause(rows[i].attempts, rows[i].first, rows[i].most), rows[i].expect);
}

static void pauses_are_spread_by_a_tenth(void **state)
{
	int64_t least = INT64_MAX, most = 0;
	(void)state;
	for (uint64_t seed = 0; seed < 10000; seed++) {
		int64_t v = retry_spread(1000, seed);
		assert_int_equal(v, retry_spread(1000, seed));
		least = v < least ? v : least;
		most = v > most ? v : most;
	}
	assert_in_range(least, 900, 910);
	assert_in_range(most, 1090, 1100);
	assert_int_equal(retry_spread(1, 7), 1);
}

/* g good, b bad, d down; a digit lets that many seconds pass; c expects closed, o open; w the width
 * follows as a letter a = 1. */
static void run(const char *script, struct pace *p)
{
	int64_t now = 1000;
	for (const char *s = script; *s; s++) {
		switch (*s) {
		case 'g':
			pace_good(p);
			break;
		case 'b':
			pace_bad(p, false, now, 4, 10);
			break;
		case 'd':
			pace_bad(p, true, now, 4, 10);
			break;
		case 'c':
			assert_true(pace_is_closed(p, now));
			assert_false(pace_allows(p, 0, now));
			break;
		case 'o':
			assert_false(pace_is_closed(p, now));
			assert_true(pace_allows(p, 0, now));
			break;
		case 'w':
			assert_int_equal(p->width, *++s - 'a' + 1);
			assert_false(pace_allows(p, p->width, now));
			break;
		case ' ':
			break;
		default:
			now += *s - '0';
		}
	}
}

static void paces(void **state)
{
	static const char *const scripts[] = {
		"o we",
		"gggg we g wf ggggg wf g wg", /* one wider after as many good ones */
		"b wb b wa o",		      /* halves, stays open */
		"b b o b c",		      /* at width one, the third bad one in a row closes */
		"d c wa 3 c 1 o",	      /* down: at once, for the first pause */
		"d 4 o d c 7 c 1 o d c 9 c 1 o d 9 c 1 o", /* each pause doubles, up to the most */
		"d 4 o g d c 3 c 1 o",			   /* until something succeeds */
		"d d d d c 4 o", /* those under way when it closed count once */
		"b g gg wc",
	};
	(void)state;
	for (size_t i = 0; i < COUNT_OF(scripts); i++) {
		struct pace p;
		pace_init(&p, 5, 20);
		run(scripts[i], &p);
	}
	struct pace p;
	pace_init(&p, 5, 3);
	assert_int_equal(p.width, 3);
	for (int i = 0; i < 100; i++)
		pace_good(&p);
	assert_int_equal(p.width, 3);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(pauses_double_up_to_the_most),
		cmocka_unit_test(pauses_are_spread_by_a_tenth),
		cmocka_unit_test(paces),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
