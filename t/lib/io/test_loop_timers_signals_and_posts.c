/* Timers, signals and work from other threads arrive on the loop; callbacks that wait are bugs. */
#include <pthread.h>
#include <signal.h>
#include <sys/resource.h>
#include <sys/wait.h>

#include "test.h"

static void count(void *arg)
{
	++*(int *)arg;
}

static void removed_timers_do_not_fire(void **state)
{
	(void)state;
	int a = 0, b = 0;
	struct loop_timer *first = loop_timer_add(10, count, &a),
			  *second = loop_timer_add(10, count, &b);
	loop_timer_remove(&first);
	assert_null(first);
	loop_timer_remove(&first);
	io_sleep(5);
	loop_turn(1000);
	loop_turn(20);
	assert_int_equal(a, 0);
	assert_int_equal(b, 1);
	loop_timer_remove(&second);
}

struct again {
	struct loop_timer *timer;
	int n;
};

static void set_again(void *arg)
{
	struct again *a = arg;
	a->n++;
	loop_timer_remove(&a->timer);
	a->timer = loop_timer_add(0, set_again, a);
}

static void a_timer_that_sets_itself_does_not_hold_the_turn(void **state)
{
	(void)state;
	struct again a = {.timer = loop_timer_add(0, set_again, &a)};
	for (int i = 0; i < 3; i++)
		loop_turn(100);
	assert_in_range(a.n, 1, 3);
	loop_timer_remove(&a.timer);
}

static void stop(void *arg)
{
	count(arg);
	loop_stop();
}

static void signals_run_on_the_loop(void **state)
{
	(void)state;
	int got = 0;
	alarm(30);
	loop_signal(SIGUSR1, stop, &got);
	kill(getpid(), SIGUSR1);
	assert_int_equal(got, 0);
	loop_run();
	assert_int_equal(got, 1);
	loop_signal(SIGUSR1, NULL, NULL);
	struct sigaction now;
	sigaction(SIGUSR1, NULL, &now);
	assert_ptr_equal(now.sa_handler, SIG_DFL);
	alarm(0);
}

struct poster {
	struct loop *loop;
	int n, ran;
	pthread_t loops_thread;
};

static void ran(void *arg)
{
	struct poster *p = arg;
	assert_true(pthread_equal(pthread_self(), p->loops_thread));
	if (++p->ran == p->n)
		loop_stop();
}

static void *post_many(void *arg)
{
	struct poster *p = arg;
	for (int i = 0; i < p->n / 2; i++) {
		loop_post(p->loop, ran, p);
		if (i % 100 == 0)
			usleep(100);
	}
	return NULL;
}

static void posts_from_threads_all_arrive(void **state)
{
	(void)state;
	struct poster p = {.loop = loop_self(), .n = 20000, .loops_thread = pthread_self()};
	pthread_t a, b;
	alarm(60);
	pthread_create(&a, NULL, post_many, &p);
	pthread_create(&b, NULL, post_many, &p);
	loop_run();
	pthread_join(a, NULL);
	pthread_join(b, NULL);
	assert_int_equal(p.ran, p.n);
	alarm(0);
}

static void wait_in_callback(void *arg)
{
	(void)arg;
	io_sleep(1);
}

static void a_callback_that_waits_is_a_panic(void **state)
{
	(void)state;
	int status;
	pid_t child = fork();
	if (child == 0) {
		struct rlimit none = {0, 0};
		setrlimit(RLIMIT_CORE, &none);
		loop_close();
		if (!freopen("/dev/null", "w", stderr))
			_exit(1);
		loop_timer_add(0, wait_in_callback, NULL);
		loop_turn(10);
		_exit(0);
	}
	waitpid(child, &status, 0);
	assert_true(WIFSIGNALED(status) && WTERMSIG(status) == SIGABRT);
}

static void child_of_fiber(void *arg)
{
	int *status_r = arg, n = 0;
	int sv[2];
	make_pair(sv);
	char byte;
	pid_t child = fork();
	if (child == 0) {
		loop_close();
		struct loop_timer *t = loop_timer_add(1, count, &n);
		while (!n)
			loop_turn(100);
		loop_timer_remove(&t);
		_exit(n == 1 && !fiber_self() && io_write(sv[1], "x", 1, IO_FOREVER) == 1 ? 7 : 1);
	}
	/* The parent's wait is its own: the child has not touched its registrations. */
	assert_int_equal(io_read(sv[0], &byte, 1, io_deadline(5000)), 1);
	waitpid(child, status_r, 0);
	io_close(&sv[0]);
	io_close(&sv[1]);
}

static void a_child_starts_afresh(void **state)
{
	(void)state;
	int status = 0;
	fiber_start("forks", child_of_fiber, &status);
	run_fibers();
	assert_true(WIFEXITED(status) && WEXITSTATUS(status) == 7);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(removed_timers_do_not_fire),
		cmocka_unit_test(a_timer_that_sets_itself_does_not_hold_the_turn),
		cmocka_unit_test(signals_run_on_the_loop),
		cmocka_unit_test(posts_from_threads_all_arrive),
		cmocka_unit_test(a_callback_that_waits_is_a_panic),
		cmocka_unit_test(a_child_starts_afresh),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
