#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <unistd.h>

#include "master/directoryd/directoryd.h"

static void a_mark_holds_until_it_is_taken_back(void **state)
{
	struct over_quota *o = over_quota_new(60000);
	(void)state;
	assert_false(over_quota_is(o, "a"));
	over_quota_note(o, "a", true);
	assert_true(over_quota_is(o, "a"));
	assert_false(over_quota_is(o, "b"));
	over_quota_note(o, "a", false);
	assert_false(over_quota_is(o, "a"));
	over_quota_note(o, "a", false);
	over_quota_free(&o);
	assert_null(o);
	over_quota_free(&o);
}

/* A local that was killed takes nothing back. */
static void a_mark_that_nobody_repeats_ends(void **state)
{
	struct over_quota *o = over_quota_new(200);
	(void)state;
	over_quota_note(o, "repeated", true);
	over_quota_note(o, "left", true);
	usleep(120 * 1000);
	over_quota_note(o, "repeated", true);
	usleep(120 * 1000);
	assert_false(over_quota_is(o, "left"));
	usleep(200 * 1000);
	assert_false(over_quota_is(o, "repeated"));
	over_quota_note(o, "left", true);
	assert_true(over_quota_is(o, "left"));
	over_quota_free(&o);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_mark_holds_until_it_is_taken_back),
		cmocka_unit_test(a_mark_that_nobody_repeats_ends),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
