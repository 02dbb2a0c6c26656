/* What is appended is read back, before and after closing. */
#include "store/pack.h"
#include "t/lib/store/fixture.h"

static void check_message(
	struct fixture *f, struct view *view, uint32_t seq, uint32_t uid, const char *text)
{
	const struct msg_row *row = view_row(view, seq);
	struct span body, summary;
	assert_int_equal(row->uid, uid);
	assert_int_equal(row->size, strlen(text));
	assert_ok(message_read(f->account, row, 0, UINT64_MAX, f->pool, &body));
	assert_true(span_is(body, text));
	assert_ok(message_read(f->account, row, 3, 4, f->pool, &body));
	assert_true(span_eq(body, span_make(text + 3, 4)));
	assert_ok(message_summary(f->account, row, f->pool, &summary));
	assert_true(span_is(summary, text));
	struct message_file file;
	char bytes[64];
	assert_ok(message_locate(f->account, row, &file));
	assert_int_equal(pread(file.fd, bytes, row->size, (off_t)file.at), row->size);
	assert_int_equal(file.pack->pins, 1); /* or it would stay open as long as the account */
	message_release(&file);
	assert_int_equal(file.pack->pins, 0);
	assert_memory_equal(bytes, text, row->size);
}

static void is_read_back(void **state)
{
	struct fixture *f = *state;
	uint32_t one = fixture_append(f, f->inbox, "A: 1\r\n\r\none\r\n", 0);
	uint32_t two =
		fixture_append(f, f->inbox, "A: 2\r\n\r\nsecond\r\n", MSG_SEEN | MSG_FLAGGED);
	assert_int_equal(two, one + 1);
	for (int turn = 0; turn < 2; turn++) {
		struct view *view = fixture_view(f, f->inbox, true);
		assert_int_equal(view_count(view), 2);
		check_message(f, view, 1, one, "A: 1\r\n\r\none\r\n");
		check_message(f, view, 2, two, "A: 2\r\n\r\nsecond\r\n");
		assert_int_equal(view_row(view, 1)->header_size, 10);
		assert_int_equal(view_row(view, 1)->zone, 60);
		assert_int_equal(view_flags(view, 2), MSG_SEEN | MSG_FLAGGED);
		assert_int_equal(view_first_unseen(view), 1);
		assert_int_equal(view_seq_of(view, two), 2);
		assert_int_equal(view_seq_of(view, two + 1), 3);
		struct mailbox_info info;
		view_info(view, &info);
		assert_int_equal(info.messages, 2);
		assert_int_equal(info.unseen, 1);
		assert_int_equal(info.recent, 2);
		assert_int_equal(info.uidnext, two + 1);
		view_close(&view);
		fixture_reopen(f);
	}
}

static void many_at_once_are_one_change(void **state)
{
	struct fixture *f = *state;
	uint64_t before = account_modseq(f->account);
	uint32_t first = fixture_fill(f, f->inbox, 1000, 0);
	assert_int_equal(account_modseq(f->account), before + 1);
	struct view *view = fixture_view(f, f->inbox, true);
	assert_int_equal(view_count(view), 1000);
	for (uint32_t seq = 1; seq <= 1000; seq++) {
		assert_int_equal(view_row(view, seq)->uid, first + seq - 1);
		assert_int_equal(view_row(view, seq)->modseq, before + 1);
	}
	view_close(&view);
}

static void one_body_for_two_accounts(void **state)
{
	struct fixture *f = *state;
	struct account *other;
	struct blob blob;
	struct mailbox_info info;
	uint32_t uid, uidvalidity;
	const char *readers[] = {"a1", "b2"};
	assert_ok(account_open(f->store, "b2", true, NULL, &other));
	assert_ok(blob_put(f->store, SPAN_LIT("A: b\r\n\r\nshared\r\n"), readers, 2, &blob));
	struct append append = {.blob = blob, .summary = SPAN_LIT("s")};
	assert_ok(mailbox_append(f->account, f->inbox, &append, 1, IO_FOREVER, &uid, &uidvalidity));
	assert_ok(mailbox_find(other, f->pool, "inbox", true, &info));
	assert_ok(mailbox_append(other, info.id, &append, 1, IO_FOREVER, &uid, &uidvalidity));
	struct check_report report;
	assert_ok(account_check(f->store, "b2", false, NULL, NULL, &report));
	assert_int_equal(report.messages, 1);
	assert_int_equal(report.blobs_bad, 0);
	account_close(&other);
}

static void a_delivery_repeated_is_stored_once(void **state)
{
	struct fixture *f = *state;
	uint32_t one, again, other;
	assert_ok(fixture_try_append(f, f->account, f->inbox, "x", 0, "m1/r1", &one));
	assert_ok(fixture_try_append(f, f->account, f->inbox, "x", 0, "m1/r1", &again));
	assert_int_equal(again, one);
	assert_ok(fixture_try_append(f, f->account, f->inbox, "x", 0, "m1/r2", &other));
	assert_int_equal(other, one + 1);
	fixture_reopen(f);
	assert_ok(fixture_try_append(f, f->account, f->inbox, "x", 0, "m1/r1", &again));
	assert_int_equal(again, one);
	assert_int_equal(account_write_tree(f->account), 0);
	fixture_reopen(f);
	assert_ok(fixture_try_append(f, f->account, f->inbox, "x", 0, "m1/r2", &again));
	assert_int_equal(again, other);
	struct mailbox_info info;
	assert_ok(mailbox_find(f->account, f->pool, "INBOX", true, &info));
	assert_int_equal(info.messages, 2);
}

static void over_quota_changes_nothing(void **state)
{
	struct fixture *f = *state;
	struct account *same;
	struct account_limits limits = {.bytes = 100, .messages = 3};
	uint64_t bytes, messages;
	uint32_t uid;
	assert_ok(account_open(f->store, "a1", false, &limits, &same));
	assert_ptr_equal(same, f->account);
	char body[61];
	memset(body, 'x', 60);
	body[60] = '\0';
	assert_ok(fixture_try_append(f, same, f->inbox, body, 0, NULL, &uid));
	uint64_t modseq = account_modseq(same);
	assert_int_equal(
		fixture_try_append(f, same, f->inbox, body, 0, NULL, &uid), STORE_OVER_QUOTA);
	assert_int_equal(account_modseq(same), modseq);
	assert_ok(fixture_try_append(f, same, f->inbox, "12345678", 0, NULL, &uid));
	assert_ok(fixture_try_append(f, same, f->inbox, "1", 0, NULL, &uid));
	assert_int_equal(
		fixture_try_append(f, same, f->inbox, "1", 0, NULL, &uid), STORE_OVER_QUOTA);
	account_usage(same, &bytes, &messages);
	assert_int_equal(bytes, 69);
	assert_int_equal(messages, 3);
	account_close(&same);
}

/* What is asked before the bodies are written is answered as mailbox_append would. */
static void what_would_be_refused_is_known_before(void **state)
{
	struct fixture *f = *state;
	struct account_limits limits = {.bytes = 100};
	struct account *same;
	uint32_t uid, uidvalidity;
	static char names[MSG_KEYWORDS_MAX + 1][8];
	const char *keywords[MSG_KEYWORDS_MAX + 1];
	char *large = calloc(1, RECORD_MAX);
	for (size_t i = 0; i < COUNT_OF(keywords); i++) {
		snprintf(names[i], sizeof(names[i]), "k%zu", i);
		keywords[i] = names[i];
	}
	assert_ok(account_open(f->store, "a1", false, &limits, &same));
	struct append fits = {.blob = {.size = 100}};
	struct append delivered = {.blob = {.size = 101}, .delivery_id = "m1/r1"};
	const struct {
		struct append what;
		enum store_status status;
	} rows[] = {
		{fits, STORE_OK},
		{{.blob = {.size = 101}}, STORE_OVER_QUOTA},
		{{.summary = {large, RECORD_MAX}}, STORE_TOO_MANY},
		{{.keywords = keywords, .nkeywords = MSG_KEYWORDS_MAX}, STORE_OK},
		{{.keywords = keywords, .nkeywords = MSG_KEYWORDS_MAX + 1}, STORE_TOO_MANY},
		{{.keywords = (const char *[]){"a b"}, .nkeywords = 1}, STORE_INVALID},
	};
	uint64_t modseq = account_modseq(same);
	for (size_t i = 0; i < COUNT_OF(rows); i++)
		assert_int_equal(mailbox_may_append(same, f->inbox, &rows[i].what, 1), rows[i].status);
	assert_int_equal(mailbox_may_append(same, f->inbox, (struct append[]){fits, fits}, 2),
		STORE_OVER_QUOTA);
	assert_int_equal(mailbox_may_append(same, 999, &fits, 1), STORE_NOT_FOUND);
	assert_int_equal(account_modseq(same), modseq);
	/* A body that is not there may be asked about, but not added. */
	assert_int_equal(mailbox_append(same, f->inbox, &fits, 1, IO_FOREVER, &uid, &uidvalidity),
		STORE_FAILED);
	assert_int_equal(mailbox_may_append(same, f->inbox, &delivered, 1), STORE_OVER_QUOTA);
	assert_ok(fixture_try_append(f, same, f->inbox, "x", 0, "m1/r1", &uid));
	assert_ok(mailbox_may_append(same, f->inbox, &delivered, 1));
	account_close(&same);
	free(large);
}

/* Who follows another's log has read it; that much memory is not kept. */
static void a_large_record_is_read_and_let_go(void **state)
{
	struct fixture *f = *state;
	struct store *store;
	struct account *follower;
	const char *err;
	uint32_t uid;
	uint64_t bytes, messages;
	char *large = calloc(1, 8 << 20);
	memset(large, 'x', (8 << 20) - 1);
	assert_int_equal(store_open(&f->conf, &store, &err), 0);
	assert_ok(account_open(store, "a1", false, NULL, &follower));
	assert_ok(fixture_try_append(f, f->account, f->inbox, large, 0, NULL, &uid));
	account_usage(follower, &bytes, &messages);
	assert_int_equal(messages, 1);
	assert_in_range(follower->log.window.n, 0, 1 << 20);
	account_close(&follower);
	store_close(&store);
	free(large);
}

static void below_the_reserve_nothing_is_added(void **state)
{
	struct fixture *f = *state;
	uint32_t uid;
	fixture_close(f);
	f->conf.disk_reserve = UINT64_MAX;
	fixture_open(f);
	assert_int_equal(
		fixture_try_append(f, f->account, f->inbox, "x", 0, NULL, &uid), STORE_DISK_FULL);
}

static void packs_are_sealed_and_followed_by_others(void **state)
{
	struct fixture *f = *state;
	char body[3000];
	memset(body, 'y', sizeof(body) - 1);
	body[sizeof(body) - 1] = '\0';
	fixture_close(f);
	f->conf.pack_size = 10000;
	fixture_open(f);
	for (int i = 0; i < 20; i++)
		fixture_append(f, f->inbox, body, 0);
	struct check_report report;
	assert_ok(account_check(f->store, "a1", false, NULL, NULL, &report));
	assert_int_equal(report.messages, 20);
	assert_int_equal(report.blobs_bad, 0);
	char path[128];
	snprintf(path, sizeof(path), "%s/p0/packs", f->dir);
	struct dirent **names;
	int n = scandir(path, &names, NULL, alphasort);
	assert_in_range(n, 2 + 5, 2 + 6);
	for (int i = 0; i < n; i++)
		free(names[i]);
	free(names);
}

static void segments_follow_each_other(void **state)
{
	struct fixture *f = *state;
	fixture_close(f);
	f->conf.log_segment_size = 4000;
	fixture_open(f);
	for (int i = 0; i < 100; i++)
		fixture_append(
			f, f->inbox, "Subject: this one is as long as it must be\r\n\r\n", 0);
	assert_in_range(f->account->log.n, 4, 100);
	fixture_reopen(f);
	struct view *view = fixture_view(f, f->inbox, true);
	struct span summary;
	assert_int_equal(view_count(view), 100);
	for (uint32_t seq = 100; seq >= 1; seq--) {
		assert_ok(message_summary(f->account, view_row(view, seq), f->pool, &summary));
		assert_int_equal(summary.n, 46);
	}
	view_close(&view);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		FIXTURE_TEST(is_read_back),
		FIXTURE_TEST(many_at_once_are_one_change),
		FIXTURE_TEST(one_body_for_two_accounts),
		FIXTURE_TEST(a_delivery_repeated_is_stored_once),
		FIXTURE_TEST(over_quota_changes_nothing),
		FIXTURE_TEST(what_would_be_refused_is_known_before),
		FIXTURE_TEST(a_large_record_is_read_and_let_go),
		FIXTURE_TEST(below_the_reserve_nothing_is_added),
		FIXTURE_TEST(packs_are_sealed_and_followed_by_others),
		FIXTURE_TEST(segments_follow_each_other),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
