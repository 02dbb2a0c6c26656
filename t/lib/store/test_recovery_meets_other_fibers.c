/* An account is recovered, or opened anew, while fibers of the same process wait for its log, its sync, its changes. */
#include "t/lib/store/fixture.h"

#include "io/io.h"

#define BUSY_MS 200

static void run_fibers(void)
{
	alarm(120);
	while (fiber_count())
		loop_turn(1000);
	alarm(0);
}

static int slow_sync(int fd)
{
	usleep(20000);
	return fdatasync(fd);
}

static int setup_slow(void **state)
{
	struct fixture *f = calloc(1, sizeof(*f));
	fixture_init(f);
	f->sync = slow_sync;
	fixture_open(f);
	*state = f;
	return 0;
}

/* --- reading and syncing --- */

struct meeting {
	struct fixture *f;
	struct msg_row row;
	uint64_t last; /* record of the log */
	unsigned done;
};

static int be_busy(void *arg)
{
	(void)arg;
	usleep(BUSY_MS * 1000);
	return 0;
}

/* So that a cold read waits for its turn, as on a slow disk. */
static void keep_a_thread(void *arg)
{
	(void)arg;
	io_call(be_busy, NULL);
}

static void read_summary(void *arg)
{
	struct meeting *m = arg;
	struct span summary;
	assert_ok(message_summary(m->f->account, &m->row, m->f->pool, &summary));
	assert_true(span_is(summary, "Subject: one\r\n\r\nbody\r\n"));
	m->done++;
}

static void read_record(void *arg)
{
	struct meeting *m = arg;
	struct record r;
	assert_int_equal(log_get(&m->f->account->log, m->last, &r), 1);
	assert_int_equal(r.at, m->last);
	m->done++;
}

static void sync_flags(void *arg)
{
	struct meeting *m = arg;
	uint32_t uid = m->row.uid;
	struct view *view = fixture_view(m->f, m->f->inbox, false);
	assert_ok(fixture_store(m->f, view, FLAGS_ADD, MSG_FLAGGED, &uid, 1));
	assert_ok(account_commit(m->f->account, m->f->account->live.at));
	view_close(&view);
	m->done++;
}

/* As when another process was killed while it wrote the head. */
static void recover(void *arg)
{
	struct meeting *m = arg;
	struct account *a = m->f->account;
	head_spoil(&a->head);
	assert_ok(account_begin(a, clock_mono_ms() + 20000));
	account_end(a);
	m->done++;
}

static void make_cold(struct fixture *f)
{
	int fd = open(fixture_path(f, "log.1"), O_RDONLY);
	assert_true(fd >= 0);
	assert_int_equal(fsync(fd), 0);
	posix_fadvise(fd, 0, 0, POSIX_FADV_DONTNEED);
	close(fd);
	log_drop_window(&f->account->log);
}

static void readers_go_on_in_the_recovered_log(void **state)
{
	struct meeting m = {.f = *state};
	m.last = m.f->account->live.at;
	fixture_append(m.f, m.f->inbox, "Subject: one\r\n\r\nbody\r\n", 0);
	struct view *view = fixture_view(m.f, m.f->inbox, true);
	m.row = *view_row(view, 1);
	view_close(&view);
	make_cold(m.f);
	for (int i = 0; i < IO_THREADS_MAX; i++)
		fiber_start("busy", keep_a_thread, NULL);
	fiber_start("summary", read_summary, &m);
	fiber_start("record", read_record, &m);
	fiber_start("recovery", recover, &m);
	run_fibers();
	assert_int_equal(m.done, 3);
	assert_false(account_is_stale(m.f->account));
}

static void who_waits_for_a_sync_is_served(void **state)
{
	struct meeting m = {.f = *state};
	m.row.uid = fixture_append(m.f, m.f->inbox, "Subject: one\r\n\r\nbody\r\n", 0);
	for (int i = 0; i < 3; i++) {
		fiber_start("flags", sync_flags, &m);
		fiber_start("flags", sync_flags, &m);
		loop_turn(0);
		fiber_start("recovery", recover, &m);
		run_fibers();
	}
	assert_int_equal(m.done, 9);
	assert_false(account_is_stale(m.f->account));
}

/* --- waiting for changes --- */

static void wait_for_change(void *arg)
{
	struct meeting *m = arg;
	struct account *a = m->f->account;
	watch_account(a);
	assert_int_equal(fiber_wait(&a->changed, clock_mono_ms() + 20000), 0);
	m->done++;
}

static void touch(void *arg)
{
	struct meeting *m = arg;
	head_notify(&m->f->account->head);
}

static void the_watch_is_the_successors(void **state)
{
	struct fixture *f = *state;
	struct meeting m = {.f = f};
	struct account *old = f->account;
	watch_account(old);
	old->stale = true;
	assert_ok(account_open(f->store, "a1", false, NULL, &f->account));
	assert_ptr_not_equal(old, f->account);
	fiber_start("wait", wait_for_change, &m);
	loop_turn(0);
	account_close(&old);
	fiber_start("touch", touch, &m);
	run_fibers();
	assert_int_equal(m.done, 1);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		FIXTURE_TEST(readers_go_on_in_the_recovered_log),
		cmocka_unit_test_setup_teardown(who_waits_for_a_sync_is_served, setup_slow, fixture_teardown),
		FIXTURE_TEST(the_watch_is_the_successors),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
