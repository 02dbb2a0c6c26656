/* Several processes, and several fibers of one, on the same account at the same time; some of them
 * killed. */
#include <signal.h>
#include <sys/mman.h>
#include <time.h>

#include "t/lib/store/fixture.h"

#define EACH 2000

static void start_child(struct fixture *f, void (*run)(struct fixture *f, unsigned number),
	unsigned number, pid_t *pid)
{
	*pid = fork();
	if (*pid)
		return;
	fixture_child(f);
	run(f, number);
	fixture_close(f);
	_exit(0);
}

static void wait_child(pid_t pid)
{
	int status;
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_true(WIFEXITED(status) && WEXITSTATUS(status) == 0);
}

static void append_many(struct fixture *f, unsigned number)
{
	char body[64];
	for (unsigned i = 0; i < EACH; i++) {
		snprintf(body, sizeof(body), "%u/%u", number, i);
		uint32_t uid;
		if (fixture_try_append(f, f->account, f->inbox, body, 0, NULL, &uid) != STORE_OK)
			_exit(1);
	}
}

/* Meanwhile flags come and go: every flag record is tiny, and the row changes must add up for
 * everybody. */
static void store_many(struct fixture *f, unsigned number)
{
	(void)number;
	static uint32_t uids[3 * EACH];
	struct view_changes c;
	struct view *view = fixture_view(f, f->inbox, false);
	for (unsigned i = 0; i < 300; i++) {
		if (view_sync(view, true, f->pool, &c) != STORE_OK)
			_exit(2);
		uint32_t n = view_count(view);
		for (uint32_t seq = 1; seq <= n; seq++)
			uids[seq - 1] = view_row(view, seq)->uid;
		if (fixture_store(f, view, i % 2 ? FLAGS_ADD : FLAGS_REMOVE, MSG_FLAGGED, uids,
			    n) != STORE_OK)
			_exit(3);
		pool_reset(f->pool);
	}
	view_close(&view);
}

static void lose_and_repeat_nothing(void **state)
{
	struct fixture *f = *state;
	static bool seen[2][EACH];
	pid_t pids[3];
	struct span body;
	struct check_report report;
	memset(seen, 0, sizeof(seen));
	start_child(f, append_many, 0, &pids[0]);
	start_child(f, append_many, 1, &pids[1]);
	start_child(f, store_many, 0, &pids[2]);
	for (int i = 0; i < 3; i++)
		wait_child(pids[i]);
	struct view *view = fixture_view(f, f->inbox, true);
	assert_int_equal(view_count(view), 2 * EACH);
	uint32_t last = 0;
	for (uint32_t seq = 1; seq <= 2 * EACH; seq++) {
		const struct msg_row *row = view_row(view, seq);
		unsigned writer, i;
		assert_int_equal(row->uid, last + 1);
		last = row->uid;
		assert_ok(message_read(f->account, row, 0, UINT64_MAX, f->pool, &body));
		assert_int_equal(sscanf(body.p, "%u/%u", &writer, &i), 2);
		assert_false(seen[writer][i]);
		seen[writer][i] = true;
	}
	view_close(&view);
	assert_ok(account_check(f->store, "a1", false, NULL, NULL, &report));
	assert_int_equal(report.checkpoints_bad + report.blobs_bad + report.log_damaged, 0);
}

/* --- killed writers --- */

struct acks {
	_Atomic uint32_t n;
	uint32_t uids[100000];
	uint32_t numbers[100000];
	_Atomic uint32_t next; /* number of the next message, of all children */
};

static struct acks *acks; /* shared memory: set once, before the children */

static void append_until_killed(struct fixture *f, unsigned number)
{
	(void)number;
	struct view *view = fixture_view(f, f->inbox, false);
	for (;;) {
		char body[64];
		uint32_t uid, i = atomic_fetch_add(&acks->next, 1);
		snprintf(body, sizeof(body), "%u", i);
		if (fixture_try_append(f, f->account, f->inbox, body, 0, NULL, &uid) != STORE_OK)
			_exit(1);
		uint32_t at = atomic_load(&acks->n);
		acks->uids[at] = uid;
		acks->numbers[at] = i;
		atomic_store(&acks->n, at + 1);
		if (i % 3 == 0)
			fixture_store(f, view, FLAGS_ADD, MSG_SEEN, &uid, 1);
	}
}

static void check_acks(struct fixture *f, uint32_t from)
{
	struct view *view = fixture_view(f, f->inbox, true);
	uint32_t n = atomic_load(&acks->n);
	struct span body;
	for (uint32_t i = from; i < n; i++) {
		assert_true(
			i == 0 ||
			acks->uids[i] > acks->uids[i - 1]); /* one child at a time: never reused */
		uint32_t seq = view_seq_of(view, acks->uids[i]);
		assert_in_range(seq, 1, view_count(view));
		const struct msg_row *row = view_row(view, seq);
		assert_int_equal(row->uid, acks->uids[i]);
		char want[64];
		snprintf(want, sizeof(want), "%u", acks->numbers[i]);
		assert_ok(message_read(f->account, row, 0, UINT64_MAX, f->pool, &body));
		assert_true(span_is(body, want));
	}
	view_close(&view);
	pool_reset(f->pool);
}

/* Until the child has come so far, however long it takes; and a moment more. */
static void await_acks(uint32_t n, long more_ns)
{
	int64_t end = clock_mono_ms() + 120000;
	while (atomic_load(&acks->n) < n) {
		assert_true(clock_mono_ms() < end);
		nanosleep(&(struct timespec){.tv_nsec = 100000}, NULL);
	}
	nanosleep(&(struct timespec){.tv_nsec = more_ns}, NULL);
}

static void killed_writers_lose_nothing_acknowledged(void **state)
{
	struct fixture *f = *state;
	struct check_report report;
	acks = mmap(NULL, sizeof(*acks), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	unsigned short seed[3] = {1, 2, 3};
	for (int round = 0; round < 40; round++) {
		pid_t pid;
		uint32_t before = atomic_load(&acks->n);
		start_child(f, append_until_killed, 0, &pid);
		/* Some are killed while they open the account. */
		await_acks(before + (uint32_t)(nrand48(seed) % 20), nrand48(seed) % 3000000);
		kill(pid, SIGKILL);
		waitpid(pid, NULL, 0);
		if (round % 4 == 3)
			fixture_reopen(f);
		check_acks(f, before);
	}
	check_acks(f, 0);
	assert_in_range(atomic_load(&acks->n), 40 * 5, COUNT_OF(acks->uids));
	assert_ok(account_check(f->store, "a1", false, NULL, NULL, &report));
	assert_int_equal(report.checkpoints_bad + report.blobs_bad + report.log_damaged, 0);
	munmap(acks, sizeof(*acks));
}

/* --- waiting --- */

static void append_later(struct fixture *f, unsigned number)
{
	(void)number;
	nanosleep(&(struct timespec){.tv_nsec = 200000000}, NULL);
	fixture_append(f, f->inbox, "x", 0);
}

static void a_waiter_is_woken_by_another_process(void **state)
{
	struct fixture *f = *state;
	pid_t pid;
	uint64_t since = account_modseq(f->account);
	assert_int_equal(account_wait(f->account, since, clock_mono_ms() + 20), -1);
	start_child(f, append_later, 0, &pid);
	assert_int_equal(account_wait(f->account, since, clock_mono_ms() + 20000), 0); /* by notice, not by the poll */
	assert_true(account_modseq(f->account) > since);
	wait_child(pid);
}

static void flag_later(struct fixture *f, unsigned number)
{
	(void)number;
	uint32_t uid = 1;
	struct view *view = fixture_view(f, f->inbox, false);
	nanosleep(&(struct timespec){.tv_nsec = 200000000}, NULL);
	if (fixture_store(f, view, FLAGS_ADD, MSG_FLAGGED, &uid, 1) != STORE_OK)
		_exit(1);
	view_close(&view);
}

static void flags_of_another_process_are_told(void **state)
{
	struct fixture *f = *state;
	struct view_changes c;
	pid_t pid;
	fixture_append(f, f->inbox, "x", 0);
	struct view *view = fixture_view(f, f->inbox, false);
	uint64_t since = account_modseq(f->account);
	start_child(f, flag_later, 0, &pid);
	assert_int_equal(account_wait(f->account, since, clock_mono_ms() + 20000), 0);
	assert_ok(view_sync(view, true, f->pool, &c));
	assert_int_equal(c.nchanged, 1);
	assert_int_equal(c.changed[0], 1);
	assert_int_equal(view_flags(view, 1) & MSG_FLAGGED, MSG_FLAGGED);
	view_close(&view);
	wait_child(pid);
}

/* --- locks --- */

static void hold_session(struct fixture *f, unsigned fd)
{
	struct session_lock *lock;
	if (account_session_lock(f->account, &lock) != STORE_OK || write((int)fd, "x", 1) != 1)
		_exit(1);
	pause();
}

static void a_session_lock_excludes_and_dies_with_its_holder(void **state)
{
	struct fixture *f = *state;
	struct session_lock *one, *two;
	int ends[2];
	char c;
	pid_t pid;
	assert_ok(account_session_lock(f->account, &one));
	assert_int_equal(account_session_lock(f->account, &two), STORE_BUSY);
	account_session_unlock(&one);
	assert_int_equal(pipe(ends), 0);
	start_child(f, hold_session, (unsigned)ends[1], &pid);
	assert_int_equal(read(ends[0], &c, 1), 1);
	assert_int_equal(account_session_lock(f->account, &one), STORE_BUSY);
	kill(pid, SIGKILL);
	waitpid(pid, NULL, 0);
	assert_ok(account_session_lock(f->account, &one));
	account_session_unlock(&one);
	close(ends[0]);
	close(ends[1]);
}

static void hold_account(struct fixture *f, unsigned fd)
{
	if (account_begin(f->account, clock_mono_ms() + 1000) != STORE_OK ||
		write((int)fd, "x", 1) != 1)
		_exit(1);
	pause();
}

static void a_held_lock_is_busy_at_the_deadline(void **state)
{
	struct fixture *f = *state;
	int ends[2];
	char c;
	pid_t pid;
	struct blob blob;
	uint32_t uid, uidvalidity;
	assert_int_equal(pipe(ends), 0);
	start_child(f, hold_account, (unsigned)ends[1], &pid);
	assert_int_equal(read(ends[0], &c, 1), 1);
	assert_ok(blob_put(f->store, SPAN_LIT("x"), NULL, 0, &blob));
	struct append append = {.blob = blob};
	int64_t begun = clock_mono_ms();
	assert_int_equal(
		mailbox_append(f->account, f->inbox, &append, 1, begun + 100, &uid, &uidvalidity),
		STORE_BUSY);
	assert_in_range(clock_mono_ms() - begun, 90, 20000);
	kill(pid, SIGKILL);
	waitpid(pid, NULL, 0);
	assert_ok(mailbox_append(
		f->account, f->inbox, &append, 1, clock_mono_ms() + 1000, &uid, &uidvalidity));
	close(ends[0]);
	close(ends[1]);
}

/* --- fibers --- */

struct workers {
	struct fixture *f;
	struct fiber_group group;
	unsigned failed;
};

static void append_some(void *arg)
{
	struct workers *w = arg;
	for (int i = 0; i < 100; i++) {
		uint32_t uid;
		w->failed += fixture_try_append(w->f, w->f->account, w->f->inbox, "x", 0, NULL,
				     &uid) != STORE_OK;
	}
	fiber_group_leave(&w->group);
}

static void fibers_share_syncs(void **state)
{
	struct fixture *f = *state;
	struct workers w = {.f = f};
	uint64_t syncs, waits;
	for (int i = 0; i < 8; i++) {
		fiber_group_enter(&w.group);
		fiber_start("appender", append_some, &w);
	}
	assert_int_equal(fiber_group_wait(&w.group, IO_FOREVER), 0);
	assert_int_equal(w.failed, 0);
	uint64_t bytes, messages;
	account_usage(f->account, &bytes, &messages);
	assert_int_equal(messages, 800);
	commit_stats(log_segment(&f->account->log, 1)->commit, &syncs, &waits);
	assert_true(syncs < waits);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		FIXTURE_TEST(lose_and_repeat_nothing),
		FIXTURE_TEST(killed_writers_lose_nothing_acknowledged),
		FIXTURE_TEST(a_waiter_is_woken_by_another_process),
		FIXTURE_TEST(flags_of_another_process_are_told),
		FIXTURE_TEST(a_session_lock_excludes_and_dies_with_its_holder),
		FIXTURE_TEST(a_held_lock_is_busy_at_the_deadline),
		FIXTURE_TEST(fibers_share_syncs),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
