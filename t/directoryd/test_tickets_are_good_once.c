#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <unistd.h>

#include "master/directoryd/directoryd.h"

struct fixture {
	struct tickets *tickets;
	struct pool *pool;
};

static int set_up(void **state)
{
	struct fixture *f = mem_new(struct fixture);
	f->tickets = tickets_new(60000);
	f->pool = pool_new("test");
	*state = f;
	return 0;
}

static int tear_down(void **state)
{
	struct fixture *f = *state;
	tickets_free(&f->tickets);
	assert_null(f->tickets);
	pool_free(&f->pool);
	mem_free(&f);
	return 0;
}

static bool redeem(struct fixture *f, struct span ticket, const char *service)
{
	const char *user = NULL, *account = NULL;
	if (!tickets_redeem(f->tickets, f->pool, ticket, service, &user, &account))
		return false;
	assert_string_equal(user, "anna@our.test");
	assert_string_equal(account, "abc");
	return true;
}

static struct span issue(struct fixture *f, const char *service)
{
	return tickets_issue(f->tickets, f->pool, "anna@our.test", "abc", service);
}

static void once(void **state)
{
	struct span ticket = issue(*state, "imap"), other = issue(*state, "imap");
	assert_int_equal(ticket.n, 16);
	assert_false(span_eq(ticket, other));
	assert_true(redeem(*state, ticket, "imap"));
	assert_false(redeem(*state, ticket, "imap"));
	assert_true(redeem(*state, other, "imap"));
}

static void by_its_service(void **state)
{
	struct span ticket = issue(*state, "imap");
	assert_false(redeem(*state, ticket, "pop"));
	assert_false(redeem(*state, ticket, ""));
	assert_true(redeem(*state, ticket, "imap"));
}

static void whole(void **state)
{
	struct span ticket = issue(*state, "imap");
	assert_false(redeem(*state, span_make(ticket.p, 15), "imap"));
	assert_false(redeem(*state, SPAN_LIT(""), "imap"));
	assert_false(redeem(*state, SPAN_LIT("0123456789abcdef"), "imap"));
	assert_true(redeem(*state, ticket, "imap"));
}

static void in_time(void **state)
{
	struct fixture *f = *state;
	tickets_set_life(f->tickets, 40);
	struct span ticket = issue(f, "imap");
	tickets_set_life(f->tickets, 60000);
	struct span later = issue(f, "imap");
	usleep(60 * 1000);
	assert_false(redeem(f, ticket, "imap"));
	assert_true(redeem(f, later, "imap"));
}

static struct tickets *next_process(const struct str *kept, int64_t life_ms)
{
	struct tickets *t = tickets_new(life_ms);
	tickets_get(t, str_span(kept));
	return t;
}

static void once_over_a_restart(void **state)
{
	struct fixture *f = *state, next = {.pool = f->pool};
	struct str kept = STR_INIT;
	tickets_free(&f->tickets);
	f->tickets = tickets_new(60000);
	struct span redeemed = issue(f, "imap"), ticket = issue(f, "pop");
	assert_true(redeem(f, redeemed, "imap"));
	tickets_put(f->tickets, &kept);
	next.tickets = next_process(&kept, 60000);
	assert_false(redeem(&next, redeemed, "imap"));
	assert_false(redeem(&next, ticket, "imap"));
	assert_true(redeem(&next, ticket, "pop"));
	assert_false(redeem(&next, ticket, "pop"));
	/* Cut anywhere it is nothing. */
	for (size_t n = 0; n < kept.len; n++)
		tickets_get(next.tickets, span_make(kept.s, n));
	assert_false(redeem(&next, ticket, "pop"));
	tickets_free(&next.tickets);
	str_fini(&kept);
}

/* In the old process, between the two, and in the new one. */
static void time_goes_on_over_a_restart(void **state)
{
	struct fixture *f = *state, next = {.pool = f->pool};
	struct str kept = STR_INIT;
	tickets_set_life(f->tickets, 60);
	struct span ticket = issue(f, "imap");
	tickets_put(f->tickets, &kept);
	next.tickets = next_process(&kept, 60);
	usleep(80 * 1000);
	assert_false(redeem(&next, ticket, "imap"));
	tickets_free(&next.tickets);
	next.tickets = next_process(&kept, 60000);
	assert_false(redeem(&next, ticket, "imap"));
	tickets_free(&next.tickets);
	str_reset(&kept);
	tickets_put(f->tickets, &kept);
	assert_int_equal(kept.len, 8); /* its time alone */
	str_fini(&kept);
}

/* A flood of them costs the oldest. */
static void in_bounds(void **state)
{
	struct fixture *f = *state;
	tickets_free(&f->tickets);
	f->tickets = tickets_new(600000);
	struct span first = issue(f, "imap"), second = issue(f, "imap");
	for (int i = 0; i < 99999; i++)
		issue(f, "imap");
	assert_false(redeem(f, first, "imap"));
	assert_true(redeem(f, second, "imap"));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(once, set_up, tear_down),
		cmocka_unit_test_setup_teardown(by_its_service, set_up, tear_down),
		cmocka_unit_test_setup_teardown(whole, set_up, tear_down),
		cmocka_unit_test_setup_teardown(in_time, set_up, tear_down),
		cmocka_unit_test_setup_teardown(once_over_a_restart, set_up, tear_down),
		cmocka_unit_test_setup_teardown(time_goes_on_over_a_restart, set_up, tear_down),
		cmocka_unit_test_setup_teardown(in_bounds, set_up, tear_down),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
