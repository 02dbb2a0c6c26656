/* Waiters are served first come first served, and who gave up at a deadline swallows no wake-up. */
#include "test.h"

static struct str trace_of;

struct waiter {
	struct fiber_cond *cond;
	char name;
	int64_t ms;
	int result;
};

static void wait_once(void *arg)
{
	struct waiter *w = arg;
	w->result = fiber_wait(w->cond, w->ms ? io_deadline(w->ms) : IO_FOREVER);
	str_putc(&trace_of, w->result == 0 ? w->name : '-');
}

static void wake_ups_go_to_the_first_in_line(void **state)
{
	(void)state;
	struct fiber_cond cond = {0};
	struct waiter w[5] = {{&cond, 'a', 0, 9}, {&cond, 'b', 30, 9}, {&cond, 'c', 0, 9},
		{&cond, 'd', 0, 9}, {&cond, 'e', 0, 9}};
	fiber_wake_one(&cond); /* nobody there: nothing is kept */
	for (int i = 0; i < 5; i++)
		fiber_start("waiter", wait_once, &w[i]);
	loop_turn(0);
	assert_true(fiber_has_waiters(&cond));
	fiber_wake_one(&cond);
	loop_turn(0);
	assert_string_equal(str_c(&trace_of), "a");
	io_sleep(60);
	assert_string_equal(str_c(&trace_of), "a-");
	fiber_wake_one(&cond);
	loop_turn(0);
	assert_string_equal(str_c(&trace_of), "a-c");
	fiber_wake_all(&cond);
	run_fibers();
	assert_string_equal(str_c(&trace_of), "a-cde");
	assert_false(fiber_has_waiters(&cond));
	str_fini(&trace_of);
}

/* The deadline passes and the wake-up comes in the same turn, before the waiter has run. */
static struct fiber_cond both_cond;

static void wake_both(void *arg)
{
	(void)arg;
	fiber_wake_one(&both_cond);
}

static void a_late_waiter_leaves_the_wake_up_to_the_next(void **state)
{
	(void)state;
	struct waiter late = {&both_cond, 'l', 10, 9}, next = {&both_cond, 'n', 0, 9};
	fiber_start("late", wait_once, &late);
	fiber_start("next", wait_once, &next);
	loop_turn(0);
	usleep(30000);
	struct loop_timer *t = loop_timer_add(0, wake_both, NULL); /* due after the deadline's */
	usleep(2000);
	loop_turn(0);
	run_fibers();
	assert_int_equal(late.result, -1);
	assert_int_equal(next.result, 0);
	loop_timer_remove(&t);
	str_fini(&trace_of);
}

struct locker {
	struct fiber_mutex *mutex;
	char name;
	int *inside;
};

static void lock_three_times(void *arg)
{
	struct locker *l = arg;
	for (int i = 0; i < 3; i++) {
		assert_int_equal(fiber_lock(l->mutex, IO_FOREVER), 0);
		assert_int_equal(++*l->inside, 1);
		str_putc(&trace_of, l->name);
		io_sleep(1);
		--*l->inside;
		fiber_unlock(l->mutex);
	}
}

static void a_mutex_goes_round(void **state)
{
	(void)state;
	struct fiber_mutex mutex = {0};
	int inside = 0;
	struct locker l[3] = {
		{&mutex, 'a', &inside}, {&mutex, 'b', &inside}, {&mutex, 'c', &inside}};
	for (int i = 0; i < 3; i++)
		fiber_start("locker", lock_three_times, &l[i]);
	run_fibers();
	assert_string_equal(str_c(&trace_of), "abcabcabc");
	assert_null(mutex.owner);
	str_fini(&trace_of);
}

static void try_briefly(void *arg)
{
	assert_int_equal(fiber_lock(arg, io_deadline(20)), -1);
}

static void a_lock_has_a_deadline_also_outside_fibers(void **state)
{
	(void)state;
	struct fiber_mutex mutex = {0};
	assert_int_equal(fiber_lock(&mutex, IO_FOREVER), 0);
	fiber_start("brief", try_briefly, &mutex);
	run_fibers();
	fiber_unlock(&mutex);
	assert_null(mutex.owner);
	assert_int_equal(fiber_lock(&mutex, io_deadline(0)), 0);
	fiber_unlock(&mutex);
}

struct member {
	struct fiber_group *group;
	int64_t ms;
};

static void sleep_in_group(void *arg)
{
	struct member *m = arg;
	io_sleep(m->ms);
	fiber_group_leave(m->group);
}

static void groups_wait_for_the_last(void **state)
{
	(void)state;
	struct fiber_group group = {0};
	struct member m[3] = {{&group, 10}, {&group, 80}, {&group, 40}};
	assert_int_equal(fiber_group_wait(&group, 0), 0);
	for (int i = 0; i < 3; i++) {
		fiber_group_enter(&group);
		fiber_start("member", sleep_in_group, &m[i]);
	}
	assert_int_equal(fiber_group_wait(&group, io_deadline(20)), -1);
	assert_int_equal(fiber_group_wait(&group, IO_FOREVER), 0);
	assert_int_equal(group.n, 0);
	run_fibers();
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(wake_ups_go_to_the_first_in_line),
		cmocka_unit_test(a_late_waiter_leaves_the_wake_up_to_the_next),
		cmocka_unit_test(a_mutex_goes_round),
		cmocka_unit_test(a_lock_has_a_deadline_also_outside_fibers),
		cmocka_unit_test(groups_wait_for_the_last),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
