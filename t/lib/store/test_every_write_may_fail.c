/*
 * The n-th call that changes a file fails, or its process is killed there, for every n of a script
 * that does all that can be done with an account: whatever was answered with OK is there
 * afterwards, what was refused with STORE_DISK_FULL is not, nothing is damaged, and the account
 * goes on by itself.
 */
#include <errno.h>
#include <sys/mman.h>

#include "store/tree.h"
#include "t/lib/failing_calls.h"
#include "t/lib/store/fixture.h"

/* --- the script, and what it was answered --- */

#define MESSAGES 16

enum known { NOTHING, REFUSED, MAYBE, SURE };

struct run {
	struct fixture f;
	enum known added[MESSAGES], copied, flagged, removed, created, renamed;
	unsigned failures;
};

static enum known learn(struct run *r, enum store_status status)
{
	/* It is the medium that fails, not what is on it. */
	assert_int_not_equal(status, STORE_DAMAGED);
	assert_int_not_equal(status, STORE_INVALID);
	r->failures += status != STORE_OK;
	return status == STORE_OK ? SURE : status == STORE_DISK_FULL ? REFUSED : MAYBE;
}

/* As sessions do: a new one after the old one has failed. False when it can't be had now. */
static bool renew(struct run *r)
{
	struct fixture *f = &r->f;
	if (f->account && !account_is_stale(f->account))
		return true;
	account_close(&f->account);
	enum store_status status = account_open(f->store, "a1", true, NULL, &f->account);
	assert_int_not_equal(status, STORE_DAMAGED);
	return status == STORE_OK;
}

static const char *body_of(struct run *r, unsigned n)
{
	return pool_printf(r->f.pool, "Subject: %u\r\n\r\n%0*u\r\n", n, (int)(300 + n * 37), n);
}

static void add(struct run *r, unsigned n)
{
	struct mailbox_info info;
	uint32_t uid;
	struct fixture *f = &r->f;
	if (!renew(r))
		return;
	r->added[n] = MAYBE; /* if it is killed now */
	enum store_status status = mailbox_find(f->account, f->pool, "INBOX", false, &info);
	if (status == STORE_OK)
		status = fixture_try_append(f, f->account, info.id, body_of(r, n),
			n == 2 ? MSG_FLAGGED : 0, NULL, &uid);
	r->added[n] = learn(r, status);
}

/* The UID of the message with that number; 0 none. */
static uint32_t uid_of(struct run *r, struct view *view, unsigned n)
{
	for (uint32_t seq = 1; seq <= view_count(view); seq++) {
		struct span body;
		assert_ok(message_read(
			r->f.account, view_row(view, seq), 0, UINT64_MAX, r->f.pool, &body));
		if (span_is(body, body_of(r, n)))
			return view_row(view, seq)->uid;
	}
	return 0;
}

static void copy_one(struct run *r, struct view *view, uint32_t uid)
{
	struct mailbox_info info;
	struct uid_pair *pairs;
	size_t n;
	uint32_t uidvalidity;
	struct fixture *f = &r->f;
	if (mailbox_find(f->account, f->pool, "Work", false, &info) != STORE_OK)
		return;
	r->copied = MAYBE;
	r->copied = learn(
		r, view_copy(view, &uid, 1, info.id, false, f->pool, &pairs, &n, &uidvalidity));
}

static void change_some(struct run *r, struct view *view)
{
	uint32_t uid = uid_of(r, view, 0), gone = uid_of(r, view, 1);
	if (uid) {
		r->flagged = MAYBE;
		r->flagged = learn(r, fixture_store(&r->f, view, FLAGS_ADD, MSG_SEEN, &uid, 1));
		copy_one(r, view, uid);
	}
	if (gone) {
		r->removed = MAYBE;
		r->removed = learn(r, view_expunge(view, &gone, 1, false));
	}
}

static void change(struct run *r)
{
	struct mailbox_info info;
	struct view *view;
	struct fixture *f = &r->f;
	if (!renew(r) || mailbox_find(f->account, f->pool, "INBOX", false, &info) != STORE_OK ||
		view_open(f->account, info.id, false, &view) != STORE_OK)
		return;
	change_some(r, view);
	view_close(&view);
}

static void create(struct run *r)
{
	if (!renew(r))
		return;
	r->created = MAYBE;
	r->created = learn(r, mailbox_create(r->f.account, "Work", USE_NONE, NULL));
}

static void rename_it(struct run *r)
{
	if (r->created != SURE || !renew(r))
		return;
	r->renamed = MAYBE;
	r->renamed = learn(r, mailbox_rename(r->f.account, "Work", "Play"));
}

/* Both kinds of checkpoints. */
static void checkpoint(struct run *r)
{
	struct check_report report;
	if (!renew(r))
		return;
	(void)account_write_tree(r->f.account);
	(void)account_check(r->f.store, "a1", true, NULL, NULL, &report);
}

static bool open_account(struct run *r)
{
	const char *err;
	struct fixture *f = &r->f;
	if (store_open_with(&f->conf, fdatasync, &f->store, &err) < 0)
		return false;
	enum store_status status = account_open(f->store, "a1", true, NULL, &f->account);
	assert_int_not_equal(status, STORE_DAMAGED);
	if (status == STORE_OK)
		return true;
	r->failures++;
	store_close(&f->store);
	return false;
}

static void script(struct run *r)
{
	while (!open_account(r))
		if (fault.mode == FROM_HERE)
			fault.at = 0;
	for (unsigned n = 0; n < 4; n++)
		add(r, n);
	create(r);
	change(r);
	checkpoint(r);
	for (unsigned n = 4; n < 10; n++)
		add(r, n);
	rename_it(r);
}

/* What a killed process was answered is in memory that we share. */
static bool script_until_killed(struct run *r)
{
	int status;
	pid_t pid = fork();
	if (pid == 0) {
		script(r);
		_exit(0);
	}
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_true(WIFEXITED(status));
	r->f.account = NULL;
	r->f.store = NULL;
	return WEXITSTATUS(status) == KILLED;
}

/* --- what must be true afterwards --- */

static uint32_t count_copies(struct run *r, struct view *view, unsigned n)
{
	uint32_t count = 0;
	for (uint32_t seq = 1; seq <= view_count(view); seq++) {
		struct span body;
		assert_ok(message_read(
			r->f.account, view_row(view, seq), 0, UINT64_MAX, r->f.pool, &body));
		count += span_is(body, body_of(r, n));
	}
	return count;
}

static void expect(enum known known, bool there)
{
	if (known == SURE)
		assert_true(there);
	if (known == REFUSED || known == NOTHING)
		assert_false(there);
}

static bool exists(struct run *r, const char *name)
{
	struct mailbox_info info;
	enum store_status status = mailbox_find(r->f.account, r->f.pool, name, true, &info);
	assert_true(status == STORE_OK || status == STORE_NOT_FOUND);
	return status == STORE_OK;
}

static void verify_inbox(struct run *r, unsigned upto)
{
	struct view *view = fixture_view(&r->f, fixture_mailbox(&r->f, "INBOX"), true);
	uint32_t there = 0, last = 0;
	for (uint32_t seq = 1; seq <= view_count(view); seq++) {
		assert_true(view_row(view, seq)->uid > last);
		last = view_row(view, seq)->uid;
	}
	for (unsigned n = 0; n < upto; n++) {
		uint32_t count = count_copies(r, view, n);
		assert_in_range(count, 0, 1);
		there += count;
		if (n == 1 && r->removed != NOTHING && r->removed != REFUSED)
			expect(r->removed, !count);
		else
			expect(r->added[n], count);
	}
	assert_int_equal(there, view_count(view));
	uint32_t uid = uid_of(r, view, 0);
	if (uid)
		expect(r->flagged, view_flags(view, view_seq_of(view, uid)) & MSG_SEEN);
	view_close(&view);
}

static void verify(struct run *r, unsigned upto)
{
	verify_inbox(r, upto);
	bool work = exists(r, "Work"), play = exists(r, "Play");
	assert_false(work && play);
	expect(r->created, work || play);
	expect(r->renamed, play);
	if (work || play) {
		struct view *view =
			fixture_view(&r->f, fixture_mailbox(&r->f, play ? "Play" : "Work"), true);
		uint32_t count = count_copies(r, view, 0);
		assert_int_equal(count, view_count(view));
		assert_in_range(count, 0, 1);
		expect(r->copied, count);
		view_close(&view);
	}
}

static void verify_files(struct run *r)
{
	struct check_report report;
	assert_ok(account_check(r->f.store, "a1", false, NULL, NULL, &report));
	assert_int_equal(report.blobs_bad, 0);
	assert_int_equal(report.log_damaged, 0);
	assert_int_equal(report.checkpoints_bad, 0);
}

static void go_on(struct run *r, unsigned n)
{
	assert_true(renew(r));
	verify(r, n);
	add(r, n);
	assert_int_equal(r->added[n], SURE);
}

static void close_all(struct run *r)
{
	account_close(&r->f.account);
	store_close(&r->f.store);
}

static void start(struct run *r, enum mode mode, int error, unsigned at)
{
	r->f.fast = true;
	fixture_init(&r->f);
	r->f.conf.log_segment_size = 2048;
	r->f.conf.pack_size = 2048;
	fault.mode = mode;
	fault.error = error;
	fault.count = 0;
	fault.at = at;
	log_debug("mode=%d error=%d at=%u", mode, error, at);
}

/* One run with one fault: false when the script did not get that far. */
static bool run_with_fault(void *memory, enum mode mode, int error, unsigned at)
{
	struct run *r = memory;
	bool reached;
	start(r, mode, error, at);
	if (mode == KILL) {
		reached = script_until_killed(r);
		fault.at = 0;
	} else {
		script(r);
		reached = fault.count >= at;
		fault.at = 0;
		go_on(r, 10); /* the same process, as if nothing had been, */
		close_all(r);
	}
	assert_true(open_account(r));
	go_on(r, 11); /* and the next one */
	verify(r, 12);
	verify_files(r);
	close_all(r);
	fixture_remove(r->f.dir);
	pool_free(&r->f.pool);
	return reached;
}

static void every_call(enum mode mode, int error, unsigned step)
{
	fail_every_call(run_with_fault, sizeof(struct run), mode, error, step, 80);
}

static void a_call_fails_once(void **state)
{
	(void)state;
	every_call(ONCE, EIO, 1);
	every_call(ONCE, ENOSPC, 3);
}

static void the_disk_is_full_from_a_call_on(void **state)
{
	(void)state;
	every_call(FROM_HERE, ENOSPC, 1);
}

static void the_disk_dies_at_a_call_and_recovers(void **state)
{
	(void)state;
	every_call(FROM_HERE, EIO, 3);
}

static void half_of_a_write_is_done(void **state)
{
	(void)state;
	every_call(SHORT, ENOSPC, 1);
}

static void a_process_is_killed(void **state)
{
	(void)state;
	every_call(KILL, 0, 1);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_call_fails_once),
		cmocka_unit_test(the_disk_is_full_from_a_call_on),
		cmocka_unit_test(the_disk_dies_at_a_call_and_recovers),
		cmocka_unit_test(half_of_a_write_is_done),
		cmocka_unit_test(a_process_is_killed),
	};
	const char *err;
	log_open("test", getenv("STORE_LOG") ? "stderr" : "/dev/null", LOG_LEVEL_DEBUG, &err);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
