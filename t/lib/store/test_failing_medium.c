/* A medium that refuses to sync, or has no room left: nothing is promised that is not kept (rule
 * 8). */
#include <errno.h>
#include <sys/mount.h>

#include "t/lib/store/fixture.h"

/* What the next syncs of files with this in their path do. cmocka has one thread; helper threads
 * only read. */
static const char *failing; /* NULL: none */
static int failures_left;
static uint64_t spoil_at; /* the medium loses what stands here, too; 0 nothing */

static int weak_sync(int fd)
{
	char link[32], path[256];
	snprintf(link, sizeof(link), "/proc/self/fd/%d", fd);
	ssize_t n = readlink(link, path, sizeof(path) - 1);
	path[n > 0 ? n : 0] = '\0';
	if (failing && strstr(path, failing) && failures_left > 0) {
		failures_left--;
		if (spoil_at && pwrite(fd, "lost", 4, (off_t)spoil_at) != 4)
			return -1;
		errno = EIO;
		return -1;
	}
	return fdatasync(fd);
}

static int setup(void **state)
{
	struct fixture *f = calloc(1, sizeof(*f));
	fixture_init(f);
	f->sync = weak_sync;
	fixture_open(f);
	*state = f;
	failing = NULL;
	return 0;
}

static int teardown(void **state)
{
	failing = NULL;
	spoil_at = 0;
	return fixture_teardown(state);
}

static uint32_t count_inbox(struct fixture *f)
{
	struct mailbox_info info;
	assert_ok(mailbox_find(f->account, f->pool, "INBOX", true, &info));
	return info.messages;
}

static void a_failed_pack_is_left_and_nothing_is_recorded(void **state)
{
	struct fixture *f = *state;
	uint32_t uid;
	fixture_append(f, f->inbox, "before", 0);
	uint64_t modseq = account_modseq(f->account);
	failing = "/packs/";
	failures_left = 1;
	assert_int_equal(
		fixture_try_append(f, f->account, f->inbox, "lost", 0, NULL, &uid), STORE_FAILED);
	assert_int_equal(account_modseq(f->account), modseq);
	assert_int_equal(count_inbox(f), 1);
	/* The next goes to another pack, and works. */
	assert_int_equal(fixture_append(f, f->inbox, "after", 0), 2);
	struct view *view = fixture_view(f, f->inbox, true);
	assert_int_not_equal(view_row(view, 1)->pack, view_row(view, 2)->pack);
	view_close(&view);
}

static enum store_status append_blob(struct fixture *f, const struct blob *blob)
{
	uint32_t uid, uidvalidity;
	struct append append = {.blob = *blob, .summary = SPAN_LIT("later")};
	return mailbox_append(f->account, f->inbox, &append, 1, IO_FOREVER, &uid, &uidvalidity);
}

/* Bodies that others have written there and not synced yet are lost, too: a later sync, though it says well, does
 * not bring them back. */
static void a_failed_pack_takes_along_what_waited_in_it(void **state)
{
	struct fixture *f = *state;
	const char *readers[] = {"a1"};
	struct blob waiting;
	uint32_t uid;
	assert_ok(blob_put(f->store, SPAN_LIT("waits"), readers, 1, &waiting));
	failing = "/packs/";
	failures_left = 1;
	assert_int_equal(
		fixture_try_append(f, f->account, f->inbox, "lost", 0, NULL, &uid), STORE_FAILED);
	assert_int_equal(fixture_append(f, f->inbox, "in the next pack", 0), 1);
	assert_int_equal(append_blob(f, &waiting), STORE_FAILED);
	assert_int_equal(count_inbox(f), 1);
}

/* One that is full is synced when it is sealed. */
static void what_waited_in_a_sealed_pack_is_durable(void **state)
{
	struct fixture *f = *state;
	const char *readers[] = {"a1"};
	struct blob waiting;
	char body[5000];
	fixture_close(f);
	f->conf.pack_size = 4096;
	fixture_open(f);
	assert_ok(blob_put(f->store, SPAN_LIT("waits"), readers, 1, &waiting));
	memset(body, 'z', sizeof(body) - 1);
	body[sizeof(body) - 1] = '\0';
	fixture_append(f, f->inbox, body, 0);
	fixture_append(f, f->inbox, "in the next pack", 0);
	assert_ok(append_blob(f, &waiting));
	assert_int_equal(count_inbox(f), 3);
}

static void a_failed_segment_is_written_anew_elsewhere(void **state)
{
	struct fixture *f = *state;
	struct check_report report;
	struct span body;
	fixture_append(f, f->inbox, "before", 0);
	failing = "/log.1";
	failures_left = 1;
	assert_int_equal(fixture_append(f, f->inbox, "carried over", 0), 2);
	assert_int_equal(f->account->log.n, 2);
	/* log.1 is never trusted again, even if it would sync. */
	assert_int_equal(head_failed(&f->account->head), 1);
	fixture_append(f, f->inbox, "after", 0);
	for (int turn = 0; turn < 2; turn++) {
		struct view *view = fixture_view(f, f->inbox, true);
		assert_int_equal(view_count(view), 3);
		assert_ok(
			message_read(f->account, view_row(view, 2), 0, UINT64_MAX, f->pool, &body));
		assert_true(span_is(body, "carried over"));
		view_close(&view);
		unlink(fixture_path(f, "tree"));
		fixture_reopen(f);
	}
	assert_ok(account_check(f->store, "a1", false, NULL, NULL, &report));
	assert_int_equal(report.checkpoints_bad + report.blobs_bad + report.log_damaged, 0);
	assert_int_equal(report.messages, 3);
}

static void what_can_not_be_synced_is_neither_answered_nor_shown(void **state)
{
	struct fixture *f = *state;
	uint32_t uid;
	fixture_append(f, f->inbox, "before", 0);
	uint64_t modseq = account_modseq(f->account);
	failing = "/log.";
	failures_left = 1000;
	assert_int_equal(fixture_try_append(f, f->account, f->inbox, "unanswered", 0, NULL, &uid),
		STORE_FAILED);
	assert_int_equal(f->account->shown.sequence, modseq);
	/* Whoever comes next, when the medium is well again, does not give the UID to another
	 * message. */
	failures_left = 0;
	fixture_reopen(f);
	uint32_t next = fixture_append(f, f->inbox, "after", 0);
	assert_in_range(next, 2, 3);
	assert_int_equal(count_inbox(f), next);
}

/* The page cache has lost the record, too: it was never answered for, and the account goes on. */
static void a_tail_that_is_lost_is_given_up(void **state)
{
	struct fixture *f = *state;
	uint32_t uid;
	fixture_append(f, f->inbox, "before", 0);
	uint64_t end = f->account->live.at, modseq = account_modseq(f->account);
	failing = "/log.1";
	failures_left = 1;
	spoil_at = SEGMENT_HEADER + end - LOG_FIRST + 60;
	assert_int_equal(
		fixture_try_append(f, f->account, f->inbox, "lost", 0, NULL, &uid), STORE_FAILED);
	spoil_at = 0;
	fixture_reopen(f);
	assert_int_equal(count_inbox(f), 1);
	assert_int_equal(f->account->log.n, 2);
	assert_true(account_modseq(f->account) >= modseq + EPOCH_LIFT);
	fixture_append(f, f->inbox, "after", 0);
	fixture_reopen(f);
	assert_int_equal(count_inbox(f), 2);
}

/* Recovery that can't sync what it found does not believe a second try: whoever comes next leaves that segment. */
static void a_segment_that_recovery_can_not_sync_is_left(void **state)
{
	struct fixture *f = *state;
	struct check_report report;
	struct account *a;
	fixture_append(f, f->inbox, "one", 0);
	fixture_append(f, f->inbox, "two", 0);
	account_close(&f->account);
	store_close(&f->store);
	const char *err;
	assert_int_equal(unlink(fixture_path(f, "head")), 0);
	assert_int_equal(store_open_with(&f->conf, weak_sync, &f->store, &err), 0);
	failing = "/log.1";
	failures_left = 1;
	assert_int_equal(account_open(f->store, "a1", true, NULL, &a), STORE_FAILED);
	assert_int_equal(failures_left, 0);
	assert_ok(account_open(f->store, "a1", true, NULL, &f->account));
	assert_int_equal(f->account->log.n, 2);
	assert_int_equal(count_inbox(f), 2);
	fixture_append(f, f->inbox, "three", 0);
	unlink(fixture_path(f, "tree"));
	fixture_reopen(f);
	assert_int_equal(count_inbox(f), 3);
	assert_ok(account_check(f->store, "a1", false, NULL, NULL, &report));
	assert_int_equal(report.checkpoints_bad + report.blobs_bad + report.log_damaged, 0);
}

/* Flag changes that are not synced yet, over the end of the first segment. */
static uint64_t fill_two_segments(struct fixture *f, struct view *view)
{
	uint32_t uid = 1;
	uint64_t durable = head_durable(&f->account->head);
	for (unsigned i = 0; f->account->log.n < 2; i++) {
		assert_in_range(i, 0, 100);
		assert_ok(fixture_store(f, view, i % 2 ? FLAGS_REMOVE : FLAGS_ADD, MSG_FLAGGED, &uid, 1));
	}
	assert_int_equal(head_durable(&f->account->head), durable);
	return durable;
}

static void spoil_from(struct fixture *f, const char *name, off_t offset)
{
	char noise[2048];
	int fd = open(fixture_path(f, name), O_WRONLY);
	memset(noise, 0x5a, sizeof(noise));
	assert_int_equal(pwrite(fd, noise, sizeof(noise), offset), sizeof(noise));
	close(fd);
}

/* Then what was written anew begins in the first, and holds what the second had, too: neither is read from there on. */
static void a_tail_over_two_segments_is_written_anew(void **state)
{
	struct fixture *f = *state;
	struct check_report report;
	fixture_close(f);
	f->conf.log_segment_size = 2048;
	f->conf.flag_sync_ms = 3600 * 1000;
	fixture_open(f);
	fixture_append(f, f->inbox, "one", 0);
	struct view *view = fixture_view(f, f->inbox, true);
	view_close(&view);
	view = fixture_view(f, f->inbox, false);
	assert_ok(account_commit(f->account, f->account->live.at));
	uint64_t durable = fill_two_segments(f, view);
	view_close(&view);
	failing = "/log.1";
	failures_left = 1;
	assert_int_equal(fixture_append(f, f->inbox, "two", 0), 2);
	assert_int_equal(f->account->log.n, 4);
	assert_true(log_segment(&f->account->log, 3)->base == durable);
	uint32_t n = 2;
	while (f->account->log.n < 8) {
		fixture_append(f, f->inbox, "more", 0);
		n++;
	}
	spoil_from(f, "log.1", (off_t)(SEGMENT_HEADER + durable - LOG_FIRST));
	spoil_from(f, "log.2", SEGMENT_HEADER);
	for (int turn = 0; turn < 2; turn++) {
		unlink(fixture_path(f, "tree"));
		unlink(fixture_path(f, pool_printf(f->pool, "index/%x", f->inbox)));
		if (turn)
			unlink(fixture_path(f, "head"));
		fixture_reopen(f);
		assert_int_equal(count_inbox(f), n);
		assert_ok(account_check(f->store, "a1", false, NULL, NULL, &report));
		assert_int_equal(report.checkpoints_bad + report.blobs_bad + report.log_damaged, 0);
	}
}

static void a_failed_checkpoint_costs_nothing(void **state)
{
	struct fixture *f = *state;
	fixture_append(f, f->inbox, "one", 0);
	failing = "/"; /* unnamed files have a path too */
	failures_left = 1;
	assert_int_equal(account_write_tree(f->account), -1);
	failing = NULL;
	assert_int_equal(access(fixture_path(f, "tree"), F_OK), -1);
	fixture_append(f, f->inbox, "two", 0);
	fixture_reopen(f);
	assert_int_equal(count_inbox(f), 2);
}

static void a_full_disk_changes_nothing(void **state)
{
	struct fixture *f = *state;
	char body[5001], ballast[128];
	uint32_t uid, n = 0;
	enum store_status status;
	fixture_close(f);
	if (mount("none", f->dir, "tmpfs", 0, "size=2m") < 0) {
		fixture_open(f);
		skip(); /* only root can */
	}
	fixture_open(f);
	snprintf(ballast, sizeof(ballast), "%s/ballast", f->dir);
	int fd = open(ballast, O_WRONLY | O_CREAT, 0600);
	assert_int_equal(os_preallocate(fd, 0, 600000), 0);
	close(fd);
	memset(body, 'z', sizeof(body) - 1);
	body[sizeof(body) - 1] = '\0';
	while ((status = fixture_try_append(f, f->account, f->inbox, body, 0, NULL, &uid)) ==
		STORE_OK)
		assert_in_range(++n, 1, 300);
	assert_int_equal(status, STORE_DISK_FULL);
	uint64_t modseq = account_modseq(f->account);
	assert_int_equal(
		fixture_try_append(f, f->account, f->inbox, body, 0, NULL, &uid), STORE_DISK_FULL);
	assert_int_equal(account_modseq(f->account), modseq);
	assert_int_equal(count_inbox(f), n);
	assert_int_equal(unlink(ballast), 0);
	assert_int_equal(fixture_append(f, f->inbox, body, 0), n + 1);
	fixture_reopen(f);
	assert_int_equal(count_inbox(f), n + 1);
	struct check_report report;
	assert_ok(account_check(f->store, "a1", false, NULL, NULL, &report));
	assert_int_equal(report.checkpoints_bad + report.blobs_bad + report.log_damaged, 0);
	fixture_close(f);
	umount2(f->dir, MNT_DETACH);
	fixture_open(f);
}

/* The log alone has no room: mailboxes need no pack. */
static void a_log_without_room_changes_nothing(void **state)
{
	struct fixture *f = *state;
	enum store_status status = STORE_OK;
	struct mailbox_info *v;
	size_t count;
	unsigned n = 0;
	char name[16];
	fixture_close(f);
	if (mount("none", f->dir, "tmpfs", 0, "size=200k") < 0) {
		fixture_open(f);
		skip(); /* only root can */
	}
	fixture_open(f);
	for (; status == STORE_OK && n < 10000; n++) {
		snprintf(name, sizeof(name), "box %u", n);
		status = mailbox_create(f->account, name, USE_NONE, NULL);
	}
	assert_int_equal(status, STORE_DISK_FULL);
	for (int turn = 0; turn < 2; turn++) {
		assert_ok(mailbox_list(f->account, f->pool, true, &v, &count));
		assert_int_equal(count, 4 + n - 1);
		fixture_reopen(f);
	}
	fixture_close(f);
	umount2(f->dir, MNT_DETACH);
	fixture_open(f);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(a_failed_pack_is_left_and_nothing_is_recorded),
		TEST(a_failed_pack_takes_along_what_waited_in_it),
		TEST(what_waited_in_a_sealed_pack_is_durable),
		TEST(a_failed_segment_is_written_anew_elsewhere),
		TEST(what_can_not_be_synced_is_neither_answered_nor_shown),
		TEST(a_tail_that_is_lost_is_given_up),
		TEST(a_segment_that_recovery_can_not_sync_is_left),
		TEST(a_tail_over_two_segments_is_written_anew),
		TEST(a_failed_checkpoint_costs_nothing),
		TEST(a_full_disk_changes_nothing),
		TEST(a_log_without_room_changes_nothing),
	};
	const char *err;
	log_open("test", "/dev/null", LOG_LEVEL_FATAL, &err);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
