/* One sync serves all who came before it began, nobody who came later; a failed one is final. */
#include <fcntl.h>
#include <stdatomic.h>

#include "io/commit.h"
#include "test.h"

/* The sync function has only the descriptor: what it saw lies here. */
static _Atomic int written, synced, syncs, fail_at;

static int slow_sync(int fd)
{
	(void)fd;
	int seen = atomic_load(&written), number = atomic_fetch_add(&syncs, 1) + 1;
	usleep(5000);
	if (number == atomic_load(&fail_at)) {
		errno = ENOSPC;
		return -1;
	}
	atomic_store(&synced, seen);
	return 0;
}

struct committer {
	struct commit *c;
	int rounds, failures, error;
};

static void commit_rounds(void *arg)
{
	struct committer *m = arg;
	for (int i = 0; i < m->rounds; i++) {
		int mine = atomic_fetch_add(&written, 1) + 1;
		if (commit_wait(m->c) == 0) {
			assert_true(atomic_load(&synced) >= mine);
		} else {
			m->failures++;
			m->error = errno;
		}
	}
}

static void reset(int fail)
{
	atomic_store(&written, 0);
	atomic_store(&synced, 0);
	atomic_store(&syncs, 0);
	atomic_store(&fail_at, fail);
}

static void syncs_are_shared(void **state)
{
	(void)state;
	enum { FIBERS = 16, ROUNDS = 20 };
	struct committer m[FIBERS];
	uint64_t n, waits;
	reset(0);
	struct commit *c = commit_new(-1, slow_sync);
	for (int i = 0; i < FIBERS; i++) {
		m[i] = (struct committer){.c = c, .rounds = ROUNDS};
		fiber_start("committer", commit_rounds, &m[i]);
	}
	run_fibers();
	commit_stats(c, &n, &waits);
	assert_int_equal(waits, FIBERS * ROUNDS);
	assert_int_equal(n, atomic_load(&syncs));
	/* all in one sync, or half in each of two at a time */
	assert_in_range(n, ROUNDS, 2 * ROUNDS + 2);
	commit_free(&c);
	assert_null(c);
}

static void failure_is_final(void **state)
{
	(void)state;
	enum { FIBERS = 8 };
	struct committer m[FIBERS];
	reset(3);
	struct commit *c = commit_new(-1, slow_sync);
	for (int i = 0; i < FIBERS; i++) {
		m[i] = (struct committer){.c = c, .rounds = 10};
		fiber_start("committer", commit_rounds, &m[i]);
	}
	run_fibers();
	assert_int_equal(atomic_load(&syncs), 3); /* never tried again */
	assert_true(commit_is_dead(c));
	for (int i = 0; i < FIBERS; i++) {
		assert_in_range(m[i].failures, 7, 10);
		assert_int_equal(m[i].error, ENOSPC);
	}
	assert_int_equal(commit_wait(c), -1);
	assert_int_equal(errno, ENOSPC);
	commit_free(&c);
}

static void who_comes_during_a_failing_sync_fails_too(void **state)
{
	(void)state;
	struct committer first = {.rounds = 1}, second = {.rounds = 1};
	reset(1);
	first.c = second.c = commit_new(-1, slow_sync);
	fiber_start("first", commit_rounds, &first);
	loop_turn(0);
	fiber_start("second", commit_rounds, &second);
	run_fibers();
	assert_int_equal(first.failures, 1);
	assert_int_equal(second.failures, 1);
	assert_int_equal(atomic_load(&syncs), 1);
	commit_free(&first.c);
}

static void outside_fibers_on_a_real_file(void **state)
{
	(void)state;
	char path[] = "/tmp/thurn-commit-XXXXXX";
	int fd = mkstemp(path);
	struct commit *c = commit_new(fd, NULL);
	assert_int_equal(write(fd, "x", 1), 1);
	assert_int_equal(commit_wait(c), 0);
	assert_false(commit_is_dead(c));
	commit_free(&c);
	close(fd);
	unlink(path);
	c = commit_new(-1, NULL);
	assert_int_equal(commit_wait(c), -1);
	assert_int_equal(errno, EBADF);
	assert_true(commit_is_dead(c));
	commit_free(&c);
}

static void freeing_waits(void **state)
{
	(void)state;
	struct committer m = {.rounds = 1};
	reset(0);
	m.c = commit_new(-1, slow_sync);
	fiber_start("committer", commit_rounds, &m);
	loop_turn(0);
	commit_free(&m.c);
	assert_int_equal(atomic_load(&syncs), 1);
	run_fibers();
}

/* The loop is late, as after a stop of the process: who frees it and who waits for the sync become ready in one turn. */
static struct {
	struct loop *loop;
	struct commit *c;
	struct fiber_cond go;
	int freed;
} late;

static void let_go(void *arg)
{
	(void)arg;
	fiber_wake_all(&late.go);
}

static int sync_and_let_go(int fd)
{
	(void)fd;
	loop_post(late.loop, let_go, NULL);
	return 0;
}

static void free_it(void *arg)
{
	(void)arg;
	fiber_wait(&late.go, IO_FOREVER);
	commit_free(&late.c);
	late.freed++;
}

static void wait_once(void *arg)
{
	assert_int_equal(commit_wait(late.c), 0);
	assert_int_equal(late.freed, 0);
	(void)arg;
}

static void be_busy(void *arg)
{
	(void)arg;
	usleep(50000);
}

static void freeing_waits_for_who_was_served(void **state)
{
	(void)state;
	late.loop = loop_self();
	late.c = commit_new(-1, sync_and_let_go);
	fiber_start("free", free_it, NULL);
	fiber_start("committer", wait_once, NULL);
	fiber_start("busy", be_busy, NULL);
	run_fibers();
	assert_int_equal(late.freed, 1);
	assert_null(late.c);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(freeing_waits_for_who_was_served),
		cmocka_unit_test(syncs_are_shared),
		cmocka_unit_test(failure_is_final),
		cmocka_unit_test(who_comes_during_a_failing_sync_fails_too),
		cmocka_unit_test(outside_fibers_on_a_real_file),
		cmocka_unit_test(freeing_waits),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
