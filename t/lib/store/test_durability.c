/*
 * What is shown when (rules 11, 13): two stores in one process stand for two processes, their locks
 * exclude each other.
 */
#include "store/view.h"
#include "t/lib/store/fixture.h"

static unsigned syncs;

static int counted_sync(int fd)
{
	syncs++;
	return fdatasync(fd);
}

struct pair {
	struct fixture one, two; /* the same folder */
};

static int setup(void **state)
{
	struct pair *p = calloc(1, sizeof(*p));
	fixture_init(&p->one);
	p->one.sync = counted_sync;
	p->one.conf.flag_sync_ms = 100;
	fixture_open(&p->one);
	p->two = p->one;
	p->two.pool = pool_new("two");
	fixture_open(&p->two);
	*state = p;
	return 0;
}

static int teardown(void **state)
{
	struct pair *p = *state;
	fixture_close(&p->two);
	pool_free(&p->two.pool);
	fixture_close(&p->one);
	fixture_remove(p->one.dir);
	pool_free(&p->one.pool);
	free(p);
	return 0;
}

/* A record that its writer has not synced yet, and does not come to: a subscription to name. */
static uint64_t write_record(struct fixture *f, const char *name, enum record_class class)
{
	struct str bytes = STR_INIT;
	uint64_t end;
	assert_ok(account_begin(f->account, clock_mono_ms() + 1000));
	account_start_record(&bytes, NULL);
	op_put_subscribe(&bytes, &(struct op_subscribe){.on = true, .name = span_of(name)});
	assert_ok(account_write(f->account, &bytes, class, 0, &end));
	account_end(f->account);
	str_fini(&bytes);
	return end;
}

static uint64_t write_unsynced(struct fixture *f, const char *name)
{
	return write_record(f, name, RECORD_FIRM);
}

static bool knows(struct fixture *f, const char *name)
{
	struct mailbox_info *v;
	size_t n;
	assert_ok(mailbox_list(f->account, f->pool, false, &v, &n));
	for (size_t i = 0; i < n; i++)
		if (strcmp(v[i].name, name) == 0)
			return true;
	return false;
}

static void what_is_not_durable_is_not_shown(void **state)
{
	struct pair *p = *state;
	p->one.store->conf.flag_sync_ms = p->two.store->conf.flag_sync_ms = 3600 * 1000;
	uint64_t modseq = account_modseq(p->two.account);
	uint64_t end = write_unsynced(&p->one, "hidden");
	assert_false(knows(&p->one, "hidden"));
	assert_false(knows(&p->two, "hidden"));
	assert_int_equal(account_modseq(p->two.account), modseq);
	assert_int_equal(account_wait(p->two.account, modseq, clock_mono_ms() + 50), -1);
	/* The other's sync covers it, since it covers all of the log. */
	fixture_append(&p->two, p->two.inbox, "x", 0);
	assert_true(head_durable(&p->one.account->head) > end);
	assert_true(knows(&p->one, "hidden"));
	assert_true(knows(&p->two, "hidden"));
	assert_int_equal(account_modseq(p->one.account), modseq + 2);
}

static void flags_are_shown_at_once_and_synced_within_the_second(void **state)
{
	struct pair *p = *state;
	struct view_changes c;
	uint32_t uid = fixture_append(&p->one, p->one.inbox, "x", 0);
	struct view *view = fixture_view(&p->one, p->one.inbox, false),
		    *other = fixture_view(&p->two, p->two.inbox, true);
	assert_ok(account_commit(p->one.account, p->one.account->live.at));
	uint64_t durable = head_durable(&p->one.account->head);
	unsigned before = syncs;
	assert_ok(fixture_store(&p->one, view, FLAGS_ADD, MSG_SEEN, &uid, 1));
	assert_int_equal(syncs, before);
	assert_int_equal(head_durable(&p->one.account->head), durable);
	assert_int_equal(view_flags(view, 1) & MSG_SEEN, MSG_SEEN);
	assert_ok(view_sync(other, true, p->two.pool, &c));
	assert_int_equal(c.nchanged, 1);
	int64_t until = clock_mono_ms() + 10000;
	while (head_durable(&p->one.account->head) == durable && clock_mono_ms() < until)
		loop_turn(20);
	assert_true(head_durable(&p->one.account->head) > durable);
	view_close(&view);
	view_close(&other);
}

/* Also one that only looks makes durable what the other was killed over. */
static void what_a_killed_process_left_is_synced_within_the_second(void **state)
{
	struct pair *p = *state;
	uint64_t end = 0;
	p->one.store->conf.flag_sync_ms = 3600 * 1000;
	for (int turn = 0; turn < 2; turn++) {
		end = write_record(&p->one, turn ? "firm" : "lazy", turn ? RECORD_FIRM : RECORD_LAZY);
		assert_int_equal(knows(&p->two, turn ? "firm" : "lazy"), !turn);
		int64_t until = clock_mono_ms() + 10000;
		while (head_durable(&p->one.account->head) < end && clock_mono_ms() < until)
			loop_turn(20);
		assert_int_equal(head_durable(&p->one.account->head), end);
		assert_true(knows(&p->two, turn ? "firm" : "lazy"));
	}
}

static void a_stopping_process_syncs_its_sessions_flags(void **state)
{
	struct pair *p = *state;
	uint32_t uid = fixture_append(&p->one, p->one.inbox, "x", 0);
	struct view *view = fixture_view(&p->one, p->one.inbox, false);
	assert_ok(fixture_store(&p->one, view, FLAGS_ADD, MSG_SEEN, &uid, 1));
	assert_true(head_durable(&p->one.account->head) < head_end(&p->one.account->head));
	accounts_close(p->one.store);
	assert_int_equal(head_durable(&p->one.account->head), head_end(&p->one.account->head));
	view_close(&view);
}

static void flags_behind_an_unsynced_record_wait_for_it(void **state)
{
	struct pair *p = *state;
	uint32_t uid = fixture_append(&p->one, p->one.inbox, "x", 0);
	struct view *view = fixture_view(&p->one, p->one.inbox, false);
	uint64_t end = write_unsynced(&p->two, "before the flags");
	assert_ok(fixture_store(&p->one, view, FLAGS_ADD, MSG_SEEN, &uid, 1));
	/* Answered, so shown, so everything before it is durable. */
	assert_int_equal(view_flags(view, 1) & MSG_SEEN, MSG_SEEN);
	assert_true(head_durable(&p->one.account->head) >= end);
	view_close(&view);
}

/* Two sessions expunge the same message at the same time: it is counted out once. */
static void a_second_change_of_a_row_sees_the_first(void **state)
{
	struct pair *p = *state;
	uint32_t first = fixture_fill(&p->one, p->one.inbox, 3, 0);
	struct view *view = fixture_view(&p->one, p->one.inbox, false),
		    *other = fixture_view(&p->two, p->two.inbox, false);
	struct slots slots = {ARRAY_INIT};
	struct str bytes = STR_INIT;
	uint64_t end;
	*array_add(&slots.v) = 0;
	assert_ok(account_begin_rows(p->one.account, p->one.inbox, clock_mono_ms() + 1000));
	account_start_record(&bytes, NULL);
	change_put_expunge(
		&bytes, view->index, tree_find(&p->one.account->live, p->one.inbox), &slots);
	assert_ok(account_write(p->one.account, &bytes, RECORD_FIRM, 0, &end)); /* and not synced */
	account_end(p->one.account);
	uint32_t uids[] = {first, first + 1};
	assert_ok(view_expunge(other, uids, 2, false));
	struct mailbox_info info;
	assert_ok(mailbox_find(p->two.account, p->two.pool, "INBOX", true, &info));
	assert_int_equal(info.messages, 1);
	array_fini(&slots.v);
	str_fini(&bytes);
	view_close(&view);
	view_close(&other);
}

/* After an unclean start nothing that was shown before can come back as something else. */
static void a_new_boot_lifts_the_sequence(void **state)
{
	struct pair *p = *state;
	const char *err;
	fixture_append(&p->one, p->one.inbox, "x", 0);
	uint64_t modseq = account_modseq(p->one.account);
	fixture_close(&p->two);
	fixture_close(&p->one);
	assert_int_equal(store_open_with(&p->one.conf, counted_sync, &p->one.store, &err), 0);
	snprintf(p->one.store->boot, sizeof(p->one.store->boot), "after the power cut");
	assert_ok(account_open(p->one.store, "a1", false, NULL, &p->one.account));
	assert_int_equal(account_modseq(p->one.account), modseq + EPOCH_LIFT);
	uint32_t uid = fixture_append(&p->one, p->one.inbox, "y", 0);
	assert_int_equal(uid, 2);
	assert_int_equal(account_modseq(p->one.account), modseq + EPOCH_LIFT + 1);
	fixture_open(&p->two);
}

static void a_new_segment_is_synced_with_its_folder_first(void **state)
{
	struct pair *p = *state;
	assert_int_equal(head_linked(&p->one.account->head), 1);
	fixture_close(&p->one);
	p->one.conf.log_segment_size = 1000;
	fixture_open(&p->one);
	for (int i = 0; i < 20; i++) {
		fixture_append(
			&p->one, p->one.inbox, "Subject: long enough to fill segments\r\n\r\n", 0);
		assert_int_equal(head_linked(&p->one.account->head), p->one.account->log.n);
	}
	assert_true(p->one.account->log.n > 2);
	/* The other follows over the borders. */
	uint64_t bytes, messages;
	account_usage(p->two.account, &bytes, &messages);
	assert_int_equal(messages, 20);
}

static void who_knows_another_end_of_the_log_writes_nothing(void **state)
{
	struct pair *p = *state;
	uint32_t uid = fixture_append(&p->one, p->one.inbox, "first", 0), none;
	uint64_t end = head_end(&p->one.account->head);
	account_modseq(p->two.account);
	p->two.account->live.chain ^= 1; /* as if what it saw last had been something else */
	assert_int_equal(fixture_try_append(&p->two, p->two.account, p->two.inbox, "x", 0, NULL, &none), STORE_FAILED);
	assert_true(account_is_stale(p->two.account));
	assert_int_equal(head_end(&p->one.account->head), end);
	assert_int_equal(fixture_append(&p->one, p->one.inbox, "second", 0), uid + 1);
	fixture_reopen(&p->two);
	assert_int_equal(fixture_append(&p->two, p->two.inbox, "third", 0), uid + 2);
}

static void durable_never_goes_back(void **state)
{
	struct pair *p = *state;
	struct head *h = &p->one.account->head;
	uint64_t durable = head_durable(h);
	head_advance(h, durable + 8);
	head_advance(h, durable);
	assert_int_equal(head_durable(h), durable + 8);
	assert_int_equal(head_floor(h), durable + 8);
	assert_true(head_durable_agrees(h));
	head_reset_durable(h, durable);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(what_is_not_durable_is_not_shown),
		TEST(flags_are_shown_at_once_and_synced_within_the_second),
		TEST(what_a_killed_process_left_is_synced_within_the_second),
		TEST(a_stopping_process_syncs_its_sessions_flags),
		TEST(flags_behind_an_unsynced_record_wait_for_it),
		TEST(a_second_change_of_a_row_sees_the_first),
		TEST(a_new_boot_lifts_the_sequence),
		TEST(a_new_segment_is_synced_with_its_folder_first),
		TEST(who_knows_another_end_of_the_log_writes_nothing),
		TEST(durable_never_goes_back),
	};
	const char *err;
	log_open("test", "/dev/null", LOG_LEVEL_FATAL, &err);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
