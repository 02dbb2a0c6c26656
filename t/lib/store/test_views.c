/* What a session sees of its mailbox, and what it is told. */
#include "store/view.h"
#include "t/lib/store/fixture.h"

static void sync_view(struct fixture *f, struct view *view, bool expunge, struct view_changes *c)
{
	assert_ok(view_sync(view, expunge, f->pool, c));
}

static void expunges_are_told_in_order_and_renumber(void **state)
{
	struct fixture *f = *state;
	struct view_changes c;
	uint32_t first = fixture_fill(f, f->inbox, 10, 0);
	struct view *one = fixture_view(f, f->inbox, false),
		    *two = fixture_view(f, f->inbox, false);
	uint32_t gone[] = {first + 1, first + 2, first + 5, first + 9, first + 77};
	assert_ok(view_expunge(one, gone, 5, false));
	/* Not while sequence numbers must hold. */
	sync_view(f, two, false, &c);
	assert_int_equal(c.nexpunged, 0);
	assert_int_equal(view_count(two), 10);
	assert_int_equal(view_row(two, 2)->uid, first + 1);
	static const uint32_t seqs[] = {2, 2, 4, 7};
	struct view *both[] = {one, two};
	for (int i = 0; i < 2; i++) {
		sync_view(f, both[i], true, &c);
		assert_int_equal(c.nexpunged, 4);
		assert_memory_equal(c.expunged, seqs, sizeof(seqs));
		assert_memory_equal(c.expunged_uids, gone, sizeof(seqs));
		assert_false(c.exists);
		assert_int_equal(view_count(both[i]), 6);
		assert_int_equal(view_row(both[i], 6)->uid, first + 8);
		assert_int_equal(view_seq_of(both[i], first + 1), 2);
		sync_view(f, both[i], true, &c);
		assert_int_equal(c.nexpunged, 0);
	}
	view_close(&one);
	view_close(&two);
}

static void only_the_deleted_are_expunged(void **state)
{
	struct fixture *f = *state;
	uint32_t first = fixture_fill(f, f->inbox, 3, 0), uids[] = {first, first + 1, first + 2};
	struct view *view = fixture_view(f, f->inbox, false);
	struct view_changes c;
	assert_ok(fixture_store(f, view, FLAGS_ADD, MSG_DELETED, uids + 1, 1));
	assert_ok(view_expunge(view, uids, 3, true));
	sync_view(f, view, true, &c);
	assert_int_equal(c.nexpunged, 1);
	assert_int_equal(c.expunged[0], 2);
	view_close(&view);
}

static void other_sessions_flags_are_told_own_are_not(void **state)
{
	struct fixture *f = *state;
	struct view_changes c;
	uint32_t first = fixture_fill(f, f->inbox, 5, 0),
		 uids[] = {first + 1, first + 2, first + 4};
	struct view *one = fixture_view(f, f->inbox, false),
		    *two = fixture_view(f, f->inbox, false);
	assert_ok(fixture_store(f, one, FLAGS_ADD, MSG_SEEN, uids, 3));
	sync_view(f, one, true, &c);
	assert_int_equal(c.nchanged, 0);
	sync_view(f, two, true, &c);
	static const uint32_t seqs[] = {2, 3, 5};
	assert_int_equal(c.nchanged, 3);
	assert_memory_equal(c.changed, seqs, sizeof(seqs));
	/* No change, no record, nothing told. */
	uint64_t modseq = account_modseq(f->account);
	assert_ok(fixture_store(f, one, FLAGS_ADD, MSG_SEEN, uids, 3));
	assert_int_equal(account_modseq(f->account), modseq);
	sync_view(f, two, true, &c);
	assert_int_equal(c.nchanged, 0);
	view_close(&one);
	view_close(&two);
}

/* A client that does not listen costs no more than JOURNAL_MAX, and misses nothing. */
static void a_deaf_view_holds_up_little(void **state)
{
	struct fixture *f = *state;
	struct view_changes c;
	uint32_t first = fixture_fill(f, f->inbox, 3, 0);
	struct view *deaf = fixture_view(f, f->inbox, false),
		    *busy = fixture_view(f, f->inbox, false);
	for (uint32_t i = 0; i < 2 * JOURNAL_MAX + 100; i++) {
		uint32_t uid = first + i % 2;
		assert_ok(fixture_store(
			f, busy, i / 2 % 2 ? FLAGS_REMOVE : FLAGS_ADD, MSG_FLAGGED, &uid, 1));
		if (i == JOURNAL_MAX + 5)
			sync_view(f, busy, true, &c);
	}
	assert_in_range(deaf->index->journal.n, 1, JOURNAL_MAX);
	sync_view(f, deaf, true, &c);
	assert_in_range(c.nchanged, 2, 3);
	assert_int_equal(c.changed[0], 1);
	sync_view(f, deaf, true, &c);
	assert_int_equal(c.nchanged, 0);
	view_close(&deaf);
	view_close(&busy);
}

static void flags_are_set_added_and_removed(void **state)
{
	struct fixture *f = *state;
	static const struct {
		enum flag_op op;
		uint32_t flags, want;
	} rows[] = {
		{FLAGS_SET, MSG_SEEN | MSG_DRAFT, MSG_SEEN | MSG_DRAFT},
		{FLAGS_ADD, MSG_FLAGGED, MSG_SEEN | MSG_DRAFT | MSG_FLAGGED},
		{FLAGS_REMOVE, MSG_SEEN | MSG_ANSWERED, MSG_DRAFT | MSG_FLAGGED},
		{FLAGS_SET, MSG_RECENT | MSG_ANSWERED, MSG_ANSWERED}, /* \Recent can't be stored */
		{FLAGS_SET, 0, 0},
	};
	uint32_t uid = fixture_append(f, f->inbox, "x", 0);
	struct view *view = fixture_view(f, f->inbox, false);
	for (size_t i = 0; i < COUNT_OF(rows); i++) {
		assert_ok(fixture_store(f, view, rows[i].op, rows[i].flags, &uid, 1));
		assert_int_equal(view_row(view, 1)->flags, rows[i].want);
	}
	view_close(&view);
}

static enum store_status keyword(
	struct fixture *f, struct view *view, enum flag_op op, const char *name, uint32_t uid)
{
	struct flag_change change = {
		.op = op, .keywords = &name, .nkeywords = 1, .unchanged_since = UINT64_MAX};
	uint32_t *failed;
	size_t nfailed;
	return view_store(view, &uid, 1, &change, f->pool, &failed, &nfailed);
}

static void keywords_get_bits_and_keep_them(void **state)
{
	struct fixture *f = *state;
	struct view_changes c;
	size_t n;
	char name[16];
	uint32_t uid = fixture_append(f, f->inbox, "x", 0);
	struct view *view = fixture_view(f, f->inbox, false);
	assert_ok(keyword(f, view, FLAGS_ADD, "$Forwarded", uid));
	assert_ok(keyword(f, view, FLAGS_ADD, "Work", uid));
	assert_ok(keyword(f, view, FLAGS_REMOVE, "$forwarded", uid));
	assert_int_equal(view_row(view, 1)->keywords, 2);
	sync_view(f, view, true, &c);
	assert_true(c.keywords);
	assert_string_equal(view_keywords(view, &n)[0], "$Forwarded");
	assert_int_equal(n, 2);
	/* Removing one that nobody knows is no change and makes none known. */
	assert_ok(keyword(f, view, FLAGS_REMOVE, "Unknown", uid));
	assert_int_equal(keyword(f, view, FLAGS_ADD, "not an atom", uid), STORE_INVALID);
	assert_int_equal(keyword(f, view, FLAGS_ADD, "", uid), STORE_INVALID);
	for (unsigned i = 2; i < MSG_KEYWORDS_MAX; i++) {
		snprintf(name, sizeof(name), "k%u", i);
		assert_ok(keyword(f, view, FLAGS_ADD, name, uid));
	}
	assert_int_equal(keyword(f, view, FLAGS_ADD, "one-too-many", uid), STORE_TOO_MANY);
	assert_int_equal(view_row(view, 1)->keywords, ~UINT64_C(0) - 1);
	view_close(&view);
	fixture_reopen(f);
	view = fixture_view(f, f->inbox, false);
	assert_string_equal(view_keywords(view, &n)[1], "Work");
	assert_int_equal(n, MSG_KEYWORDS_MAX);
	/* A copy keeps its keywords under whatever bit they have over there. */
	uint32_t there = fixture_mailbox(f, "Archive"), uidvalidity;
	struct uid_pair *pairs;
	assert_ok(view_copy(view, &uid, 1, there, false, f->pool, &pairs, &n, &uidvalidity));
	struct view *other = fixture_view(f, there, false);
	assert_string_equal(view_keywords(other, &n)[0], "Work");
	assert_int_equal(n, MSG_KEYWORDS_MAX - 1);
	assert_int_equal(view_row(other, 1)->keywords, ~UINT64_C(0) >> 1);
	view_close(&other);
	view_close(&view);
}

static void changes_since_are_refused(void **state)
{
	struct fixture *f = *state;
	uint32_t first = fixture_fill(f, f->inbox, 3, 0), uids[] = {first, first + 1, first + 2},
		 *failed;
	size_t nfailed;
	struct view *view = fixture_view(f, f->inbox, false);
	uint64_t since = account_modseq(f->account);
	assert_ok(fixture_store(f, view, FLAGS_ADD, MSG_SEEN, uids + 1, 1));
	struct flag_change change = {
		.op = FLAGS_ADD, .flags = MSG_FLAGGED, .unchanged_since = since};
	assert_ok(view_store(view, uids, 3, &change, f->pool, &failed, &nfailed));
	assert_int_equal(nfailed, 1);
	assert_int_equal(failed[0], first + 1);
	assert_int_equal(view_row(view, 1)->flags, MSG_FLAGGED);
	assert_int_equal(view_row(view, 2)->flags, MSG_SEEN);
	assert_int_equal(view_row(view, 3)->modseq, account_modseq(f->account));
	struct mailbox_info info;
	struct view_changes c;
	sync_view(f, view, true, &c);
	view_info(view, &info);
	assert_int_equal(info.highest_modseq, account_modseq(f->account));
	view_close(&view);
}

static void what_is_expunged_elsewhere_is_refused(void **state)
{
	struct fixture *f = *state;
	uint32_t first = fixture_fill(f, f->inbox, 3, 0), uids[] = {first, first + 1, first + 2},
		 *failed;
	size_t nfailed;
	struct view *view = fixture_view(f, f->inbox, false),
		    *other = fixture_view(f, f->inbox, false);
	assert_ok(view_expunge(other, uids + 1, 1, false));
	struct flag_change change = {
		.op = FLAGS_ADD, .flags = MSG_FLAGGED, .unchanged_since = UINT64_MAX};
	assert_ok(view_store(view, uids, 3, &change, f->pool, &failed, &nfailed));
	assert_int_equal(nfailed, 1);
	assert_int_equal(failed[0], first + 1);
	assert_int_equal(view_row(view, 1)->flags, MSG_FLAGGED);
	assert_int_equal(view_row(view, 2)->flags, 0);
	assert_int_equal(view_row(view, 3)->flags, MSG_FLAGGED);
	view_close(&other);
	view_close(&view);
}

static void each_message_is_recent_to_one_session(void **state)
{
	struct fixture *f = *state;
	struct view_changes c;
	struct mailbox_info info;
	fixture_fill(f, f->inbox, 2, 0);
	struct view *looker = fixture_view(f, f->inbox, true); /* EXAMINE claims nothing */
	view_info(looker, &info);
	assert_int_equal(info.recent, 2);
	struct view *one = fixture_view(f, f->inbox, false),
		    *two = fixture_view(f, f->inbox, false);
	view_info(one, &info);
	assert_int_equal(info.recent, 2);
	assert_int_equal(view_flags(one, 1), MSG_RECENT);
	view_info(two, &info);
	assert_int_equal(info.recent, 0);
	assert_int_equal(view_flags(two, 1), 0);
	fixture_fill(f, f->inbox, 1, 0);
	sync_view(f, two, true, &c);
	assert_true(c.exists && c.recent);
	sync_view(f, one, true, &c);
	assert_true(c.exists && !c.recent);
	assert_int_equal(view_flags(two, 3), MSG_RECENT);
	assert_int_equal(view_flags(one, 3), 0);
	view_close(&looker);
	view_close(&one);
	view_close(&two);
	fixture_reopen(f);
	one = fixture_view(f, f->inbox, false);
	view_info(one, &info);
	assert_int_equal(info.recent, 0);
	view_close(&one);
}

/* As each message is told to whoever looks first, two that look in turn would have one span each for it, for ever. */
static void what_is_recent_stays_little_to_remember(void **state)
{
	struct fixture *f = *state;
	struct view_changes c;
	struct mailbox_info info;
	struct view *one = fixture_view(f, f->inbox, false);
	for (uint32_t i = 0; i < 100; i++) {
		fixture_append(f, f->inbox, "x", 0);
		sync_view(f, one, true, &c);
	}
	assert_int_equal(one->recent.n, 1);
	struct view *two = fixture_view(f, f->inbox, false);
	enum { TURNS = RECENT_SPANS_MAX + 200 };
	for (uint32_t i = 0; i < 2 * TURNS; i++) {
		fixture_append(f, f->inbox, "x", 0);
		sync_view(f, i % 2 ? two : one, true, &c);
		sync_view(f, i % 2 ? one : two, true, &c);
	}
	assert_int_equal(one->recent.n, RECENT_SPANS_MAX);
	assert_int_equal(two->recent.n, RECENT_SPANS_MAX);
	for (uint32_t i = 0; i < 2 * TURNS; i++) {
		bool merged_one = i <= 400, merged_two = i && i <= 401;
		assert_int_equal(!!(view_flags(one, 101 + i) & MSG_RECENT), merged_one || i % 2 == 0);
		assert_int_equal(!!(view_flags(two, 101 + i) & MSG_RECENT), merged_two || i % 2 == 1);
	}
	uint32_t counts[2] = {0};
	for (uint32_t seq = 1; seq <= view_count(one); seq++) {
		counts[0] += !!(view_flags(one, seq) & MSG_RECENT);
		counts[1] += !!(view_flags(two, seq) & MSG_RECENT);
	}
	view_info(one, &info);
	assert_int_equal(info.recent, counts[0]);
	view_info(two, &info);
	assert_int_equal(info.recent, counts[1]);
	view_close(&one);
	view_close(&two);
}

static void a_read_only_view_changes_nothing(void **state)
{
	struct fixture *f = *state;
	uint32_t uid = fixture_append(f, f->inbox, "x", 0), uidvalidity;
	struct view *view = fixture_view(f, f->inbox, true);
	struct uid_pair *pairs;
	size_t n;
	assert_int_equal(fixture_store(f, view, FLAGS_ADD, MSG_SEEN, &uid, 1), STORE_DENIED);
	assert_int_equal(view_expunge(view, &uid, 1, false), STORE_DENIED);
	uint32_t there = fixture_mailbox(f, "Archive");
	assert_int_equal(view_copy(view, &uid, 1, there, true, f->pool, &pairs, &n, &uidvalidity),
		STORE_DENIED);
	assert_ok(view_copy(view, &uid, 1, there, false, f->pool, &pairs, &n, &uidvalidity));
	assert_int_equal(n, 1);
	view_close(&view);
}

static void a_move_is_one_change(void **state)
{
	struct fixture *f = *state;
	uint32_t first = fixture_fill(f, f->inbox, 4, MSG_FLAGGED),
		 uids[] = {first, first + 2, first + 9}, uidvalidity;
	uint32_t there = fixture_mailbox(f, "Archive");
	uint64_t bytes, messages, after, modseq;
	struct view *view = fixture_view(f, f->inbox, true), *other = fixture_view(f, there, true),
		    *from;
	struct view_changes c;
	struct uid_pair *pairs;
	size_t n;
	account_usage(f->account, &bytes, &messages);
	from = fixture_view(f, f->inbox, false);
	modseq = account_modseq(f->account);
	assert_ok(view_copy(from, uids, 3, there, true, f->pool, &pairs, &n, &uidvalidity));
	assert_int_equal(account_modseq(f->account), modseq + 1);
	assert_int_equal(n, 2);
	assert_int_equal(pairs[1].from, first + 2);
	assert_int_equal(pairs[1].to, 2);
	sync_view(f, view, true, &c);
	assert_int_equal(c.nexpunged, 2);
	sync_view(f, other, true, &c);
	assert_true(c.exists);
	assert_int_equal(view_row(other, 2)->flags, MSG_FLAGGED);
	struct span body;
	assert_ok(message_read(f->account, view_row(other, 2), 0, 7, f->pool, &body));
	assert_true(span_is(body, "Subject"));
	account_usage(f->account, &after, &messages);
	assert_int_equal(after, bytes);
	assert_int_equal(messages, 4);
	view_close(&from);
	view_close(&view);
	view_close(&other);
}

static void a_copy_of_all_leaves_none_out(void **state)
{
	struct fixture *f = *state;
	uint32_t first = fixture_fill(f, f->inbox, 2, 0), uids[] = {first, first + 1, first + 9},
		 there = fixture_mailbox(f, "Archive"), uidvalidity;
	struct uid_pair *pairs;
	size_t n;
	struct view *view = fixture_view(f, f->inbox, false);
	uint64_t modseq = account_modseq(f->account);
	for (unsigned flags = COPY_ALL; flags <= (COPY_ALL | COPY_MOVE); flags++) {
		assert_ok(view_copy(view, uids, 3, there, flags, f->pool, &pairs, &n, &uidvalidity));
		assert_int_equal(n, 0);
	}
	assert_int_equal(account_modseq(f->account), modseq);
	assert_ok(view_copy(view, uids, 2, there, COPY_ALL | COPY_MOVE, f->pool, &pairs, &n, &uidvalidity));
	assert_int_equal(n, 2);
	view_close(&view);
}

static void a_copy_may_not_pass_the_quota(void **state)
{
	struct fixture *f = *state;
	uint32_t uid = fixture_append(f, f->inbox, "12345678", 0), uidvalidity,
		 there = fixture_mailbox(f, "Archive");
	struct account_limits limits = {.bytes = 10};
	struct account *same;
	struct uid_pair *pairs;
	size_t n;
	assert_ok(account_open(f->store, "a1", false, &limits, &same));
	struct view *view = fixture_view(f, f->inbox, false);
	assert_int_equal(view_copy(view, &uid, 1, there, false, f->pool, &pairs, &n, &uidvalidity),
		STORE_OVER_QUOTA);
	assert_ok(view_copy(view, &uid, 1, there, true, f->pool, &pairs, &n, &uidvalidity));
	view_close(&view);
	account_close(&same);
}

static void a_deleted_mailbox_is_gone_for_its_views(void **state)
{
	struct fixture *f = *state;
	uint32_t there = fixture_mailbox(f, "Archive"), uid = fixture_append(f, there, "x", 0);
	struct view *view = fixture_view(f, there, false);
	struct view_changes c;
	assert_ok(mailbox_delete(f->account, "Archive"));
	sync_view(f, view, true, &c);
	assert_true(view_is_gone(view));
	assert_int_equal(fixture_store(f, view, FLAGS_ADD, MSG_SEEN, &uid, 1), STORE_NOT_FOUND);
	view_close(&view);
}

static void checkpoints_come_by_themselves(void **state)
{
	struct fixture *f = *state;
	char name[32];
	index_name(name, f->inbox);
	for (int i = 0; i < 3; i++)
		fixture_fill(f, f->inbox, 200, 0);
	assert_int_equal(access(fixture_path(f, name), F_OK), 0);
	fixture_reopen(f);
	struct view *view = fixture_view(f, f->inbox, false);
	assert_int_equal(view_count(view), 600);
	assert_true(view->index->nbase > 0);
	/* Changed in a private page: the file stays as it is. */
	uint32_t uid = view_row(view, 1)->uid;
	assert_ok(fixture_store(f, view, FLAGS_ADD, MSG_FLAGGED, &uid, 1));
	view_close(&view);
	fixture_reopen(f);
	view = fixture_view(f, f->inbox, false);
	assert_int_equal(view_row(view, 1)->flags, MSG_FLAGGED);
	view_close(&view);
}

/* A page that can't be read any more costs this mailbox an error, not the process (rule 19). */
static void a_checkpoint_cut_under_a_view_is_its_damage_only(void **state)
{
	struct fixture *f = *state;
	char name[32];
	struct view_changes c;
	index_name(name, f->inbox);
	fixture_fill(f, f->inbox, 2000, 0);
	fixture_reopen(f);
	struct view *view = fixture_view(f, f->inbox, true);
	assert_int_equal(truncate(fixture_path(f, name), 4096), 0);
	assert_int_equal(view_row(view, 1999)->uid, 0); /* a page of zeros */
	assert_int_equal(view_sync(view, true, f->pool, &c), STORE_DAMAGED);
	view_close(&view);
	view = fixture_view(f, f->inbox, true); /* rebuilt from the log */
	assert_int_equal(view_row(view, 1999)->uid, 1999);
	view_close(&view);
}

enum { BY_FLAGS, BY_EXPUNGE, BY_COPY, BY_MOVE, BY_RENAME, WAYS };

static enum store_status change_all(struct fixture *f, struct view *view, int way, const uint32_t *uids, size_t n)
{
	struct uid_pair *pairs;
	uint32_t uidvalidity, there = fixture_mailbox(f, "Archive");
	if (way == BY_FLAGS)
		return fixture_store(f, view, FLAGS_ADD, MSG_FLAGGED, uids, n);
	if (way == BY_EXPUNGE)
		return view_expunge(view, uids, n, false);
	if (way == BY_RENAME)
		return mailbox_rename(f->account, "INBOX", "moved");
	return view_copy(view, uids, n, there, way == BY_MOVE ? COPY_MOVE : 0, f->pool, &pairs, &n, &uidvalidity);
}

/* The damage is found when rows are looked at: what was made of them by then goes nowhere. */
static void nothing_is_written_from_a_cut_checkpoint(void **state)
{
	struct fixture *f = *state;
	char name[32];
	uint32_t uids[1000];
	index_name(name, f->inbox);
	uint32_t first = fixture_fill(f, f->inbox, 1000, 0);
	for (uint32_t i = 0; i < 1000; i++)
		uids[i] = first + i;
	for (int way = 0; way < WAYS; way++) {
		fixture_reopen(f);
		struct view *view = fixture_view(f, f->inbox, false);
		uint64_t modseq = account_modseq(f->account);
		assert_int_equal(truncate(fixture_path(f, name), 8192), 0);
		assert_int_equal(change_all(f, view, way, uids, 1000), STORE_DAMAGED);
		assert_int_equal(account_modseq(f->account), modseq);
		view_close(&view);
		view = fixture_view(f, f->inbox, false); /* whole, from the log */
		assert_int_equal(view_count(view), 1000);
		assert_int_equal(view_row(view, 1000)->uid, first + 999);
		uint32_t last = first + 999;
		assert_ok(fixture_store(f, view, way % 2 ? FLAGS_REMOVE : FLAGS_ADD, MSG_ANSWERED, &last, 1));
		view_close(&view);
		struct check_report report;
		assert_ok(account_check(f->store, "a1", true, NULL, NULL, &report));
	}
}

#define MANY 300000

static int64_t lose_every_second(struct index *x, uint32_t from, uint32_t to)
{
	struct op_expunge op = {.mailbox = x->mailbox};
	struct str ranges = STR_INIT, bytes = STR_INIT;
	uint32_t last = 0;
	for (uint32_t uid = from; uid < to; uid += 2)
		op_put_range(&ranges, &last, uid, uid);
	op.ranges = str_span(&ranges);
	op_put_expunge(&bytes, &op);
	struct record r = {.at = x->at, .length = 8, .ops = str_span(&bytes)};
	int64_t before = fixture_cpu_ns();
	assert_int_equal(index_apply(x, &r, 0), 0);
	int64_t after = fixture_cpu_ns();
	str_fini(&ranges);
	str_fini(&bytes);
	return after - before;
}

/* Moving what is behind each of them would take twenty times as long. */
static void what_is_gone_behind_costs_an_expunge_little(void **state)
{
	(void)state;
	struct index x;
	index_init(&x, 1);
	for (uint32_t i = 0; i < MANY; i++)
		index_add_rows(&x, &(struct msg_row){.uid = i + 1}, 1);
	int64_t behind = lose_every_second(&x, MANY / 2 + 1, MANY);
	int64_t before = lose_every_second(&x, 1, MANY / 2);
	lose_every_second(&x, 2, 20); /* between those that are gone */
	assert_int_equal(x.gone.n, MANY / 2 + 9);
	for (size_t i = 0; i < x.gone.n; i++)
		assert_int_equal(x.gone.v[i], i < 18 ? i : 2 * (i - 9));
	assert_true(before < 5 * behind);
	index_fini(&x);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		FIXTURE_TEST(expunges_are_told_in_order_and_renumber),
		FIXTURE_TEST(only_the_deleted_are_expunged),
		FIXTURE_TEST(other_sessions_flags_are_told_own_are_not),
		FIXTURE_TEST(a_deaf_view_holds_up_little),
		FIXTURE_TEST(flags_are_set_added_and_removed),
		FIXTURE_TEST(keywords_get_bits_and_keep_them),
		FIXTURE_TEST(changes_since_are_refused),
		FIXTURE_TEST(what_is_expunged_elsewhere_is_refused),
		FIXTURE_TEST(each_message_is_recent_to_one_session),
		cmocka_unit_test_setup_teardown(
			what_is_recent_stays_little_to_remember, fixture_setup_fast, fixture_teardown),
		FIXTURE_TEST(a_read_only_view_changes_nothing),
		FIXTURE_TEST(a_move_is_one_change),
		FIXTURE_TEST(a_copy_of_all_leaves_none_out),
		FIXTURE_TEST(a_copy_may_not_pass_the_quota),
		FIXTURE_TEST(a_deleted_mailbox_is_gone_for_its_views),
		FIXTURE_TEST(checkpoints_come_by_themselves),
		FIXTURE_TEST(nothing_is_written_from_a_cut_checkpoint),
		cmocka_unit_test(what_is_gone_behind_costs_an_expunge_little),
		FIXTURE_TEST(a_checkpoint_cut_under_a_view_is_its_damage_only),
	};
	const char *err;
	log_open("test", "/dev/null", LOG_LEVEL_FATAL, &err);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
