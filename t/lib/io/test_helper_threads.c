/* Blocking work runs beside the loop, in order, on as many threads as allowed, with its errno. */
#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>

#include "test.h"

struct work {
	struct io_threads *pool;
	pthread_t thread;
	int64_t ms;
	int result, error;
	_Atomic int *running, *most, *ticks;
	int at_least; /* to run at once before any of them ends */
};

static int work(void *arg)
{
	struct work *w = arg;
	int now = w->running ? atomic_fetch_add(w->running, 1) + 1 : 0;
	if (w->most && now > atomic_load(w->most))
		atomic_store(w->most, now);
	w->thread = pthread_self();
	usleep((useconds_t)(w->ms * 1000));
	while (w->at_least && (atomic_load(w->most) < w->at_least || (w->ticks && atomic_load(w->ticks) < 10)))
		usleep(1000);
	if (w->running)
		atomic_fetch_sub(w->running, 1);
	errno = ENOTDIR;
	return 42;
}

static void call_work(void *arg)
{
	struct work *w = arg;
	w->result = w->pool ? io_call_on(w->pool, work, w) : io_call(work, w);
	w->error = errno;
}

struct meanwhile {
	_Atomic int running, most, ticks;
};

static void tick(void *arg)
{
	struct meanwhile *m = arg;
	while (atomic_load(&m->most) < 3)
		io_sleep(1);
	for (int i = 0; i < 10; i++) {
		io_sleep(5);
		atomic_fetch_add(&m->ticks, 1);
	}
}

/* Each ends when all have begun and the loop has gone on: with another order of things that would never be. */
static void the_loop_goes_on_meanwhile(void **state)
{
	(void)state;
	struct meanwhile m = {0};
	struct work w[3];
	alarm(50);
	for (int i = 0; i < 3; i++) {
		w[i] = (struct work){.running = &m.running, .most = &m.most, .at_least = 3, .ticks = &m.ticks};
		fiber_start("work", call_work, &w[i]);
	}
	fiber_start("tick", tick, &m);
	run_fibers();
	alarm(0);
	assert_int_equal(m.ticks, 10);
	for (int i = 0; i < 3; i++) {
		assert_int_equal(w[i].result, 42);
		assert_int_equal(w[i].error, ENOTDIR);
		assert_false(pthread_equal(w[i].thread, pthread_self()));
	}
}

static void outside_fibers_it_is_called(void **state)
{
	(void)state;
	struct work w = {0};
	assert_int_equal(io_call(work, &w), 42);
	assert_true(pthread_equal(w.thread, pthread_self()));
}

static void a_pool_keeps_its_limit_and_thread(void **state)
{
	(void)state;
	_Atomic int running = 0, most = 0;
	struct io_threads *one = io_threads_new("one at a time", 1),
			  *three = io_threads_new("three", 3);
	struct work w[12];
	alarm(50);
	for (int i = 0; i < 12; i++) {
		w[i] = (struct work){.pool = i < 4 ? one : three,
			.ms = 5,
			.running = i < 4 ? NULL : &running,
			.most = i < 4 ? NULL : &most,
			.at_least = i < 4 ? 0 : 2};
		fiber_start("work", call_work, &w[i]);
	}
	run_fibers();
	for (int i = 1; i < 4; i++)
		assert_true(pthread_equal(w[0].thread, w[i].thread));
	alarm(0);
	assert_in_range(atomic_load(&most), 2, 3);
	/* outside fibers too: what must be on that thread is */
	struct work outside = {.pool = one};
	call_work(&outside);
	assert_true(pthread_equal(w[0].thread, outside.thread));
	io_threads_free(&one);
	io_threads_free(&three);
	assert_null(one);
}

static int signals_are_blocked(void *arg)
{
	sigset_t mask;
	(void)arg;
	pthread_sigmask(SIG_BLOCK, NULL, &mask);
	return sigismember(&mask, SIGTERM) && sigismember(&mask, SIGCHLD);
}

static void call_signals(void *arg)
{
	*(int *)arg = io_call(signals_are_blocked, NULL);
}

static void threads_take_no_signals(void **state)
{
	(void)state;
	int blocked = 0;
	fiber_start("signals", call_signals, &blocked);
	run_fibers();
	assert_int_equal(blocked, 1);
}

static void read_file(void *arg)
{
	int fd = *(int *)arg;
	char *bytes = calloc(1, 300000);
	assert_int_equal(io_pread(fd, bytes, 5, 299998), 2);
	assert_memory_equal(bytes, "zz", 2);
	assert_int_equal(io_pread(fd, bytes, 300000, 0), 300000);
	assert_int_equal(bytes[150000], 'z');
	assert_int_equal(io_pread(fd, bytes, 10, 300000), 0);
	posix_fadvise(fd, 0, 0, POSIX_FADV_DONTNEED);
	memset(bytes, 0, 300000);
	assert_int_equal(io_pread(fd, bytes, 300000, 0), 300000);
	assert_int_equal(bytes[299999], 'z');
	assert_int_equal(io_pread(-1, bytes, 1, 0), -1);
	assert_int_equal(errno, EBADF);
	free(bytes);
}

static void reads_warm_or_cold(void **state)
{
	(void)state;
	char path[] = "/tmp/thurn-pread-XXXXXX";
	int fd = mkstemp(path);
	char *bytes = malloc(300000);
	memset(bytes, 'z', 300000);
	assert_int_equal(write(fd, bytes, 300000), 300000);
	fsync(fd);
	free(bytes);
	fiber_start("file", read_file, &fd);
	run_fibers();
	read_file(&fd);
	close(fd);
	unlink(path);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_loop_goes_on_meanwhile),
		cmocka_unit_test(outside_fibers_it_is_called),
		cmocka_unit_test(a_pool_keeps_its_limit_and_thread),
		cmocka_unit_test(threads_take_no_signals),
		cmocka_unit_test(reads_warm_or_cold),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
