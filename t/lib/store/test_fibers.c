/* The store as a daemon uses it: sessions are fibers of one loop, what blocks runs on helper
 * threads. */
#include "t/lib/store/fixture.h"

#define SESSIONS 24
#define ACCOUNTS 6
#define ROUNDS	 40

struct sessions {
	struct fixture *f;
	struct fiber_group group;
	unsigned number;
	uint32_t added[ACCOUNTS], gone[ACCOUNTS];
	unsigned woken;
};

static void account_name(char id[16], unsigned number)
{
	snprintf(id, 16, "fiber%u", number % ACCOUNTS);
}

static void one_round(struct sessions *s, unsigned number, struct account *a, uint32_t inbox)
{
	struct view *view;
	struct view_changes c;
	struct pool *pool = pool_new("session");
	uint32_t uid, *failed, n;
	size_t nfailed;
	assert_ok(fixture_try_append(
		s->f, a, inbox, "Subject: fiber\r\n\r\nbody\r\n", 0, NULL, &uid));
	s->added[number % ACCOUNTS]++;
	assert_ok(view_open(a, inbox, false, &view));
	struct flag_change change = {
		.op = FLAGS_ADD, .flags = MSG_SEEN, .unchanged_since = UINT64_MAX};
	assert_ok(view_store(view, &uid, 1, &change, pool, &failed, &nfailed));
	assert_ok(view_sync(view, true, pool, &c));
	n = view_count(view);
	for (uint32_t seq = n > 3 ? n - 3 : 1; seq <= n; seq++) {
		struct span body, summary;
		struct msg_row row = *view_row(view, seq);
		assert_ok(message_read(a, &row, 0, UINT64_MAX, pool, &body));
		assert_int_equal(body.n, 24);
		assert_ok(message_summary(a, &row, pool, &summary));
		assert_int_equal(summary.n, 24);
	}
	if (uid % 4 == 0) {
		assert_ok(view_expunge(view, &uid, 1, false));
		s->gone[number % ACCOUNTS]++;
	}
	view_close(&view);
	pool_free(&pool);
}

static void session(void *arg)
{
	struct sessions *s = arg;
	unsigned number = s->number++;
	char id[16];
	account_name(id, number);
	for (int i = 0; i < ROUNDS; i++) {
		struct account *a;
		struct mailbox_info info;
		struct pool *pool = pool_new("session");
		assert_ok(account_open(s->f->store, id, true, NULL, &a));
		assert_ok(mailbox_find(a, pool, "INBOX", true, &info));
		one_round(s, number, a, info.id);
		account_close(&a);
		pool_free(&pool);
	}
	fiber_group_leave(&s->group);
}

static void idler(void *arg)
{
	struct sessions *s = arg;
	struct account *a;
	assert_ok(account_open(s->f->store, "fiber0", true, NULL, &a));
	for (uint64_t since = account_modseq(a); s->woken < 20; since = account_modseq(a)) {
		assert_int_equal(account_wait(a, since, clock_mono_ms() + 20000), 0);
		assert_true(account_modseq(a) > since);
		s->woken++;
	}
	account_close(&a);
	fiber_group_leave(&s->group);
}

static void start(struct sessions *s, fiber_fn fn)
{
	fiber_group_enter(&s->group);
	fiber_start("session", fn, s);
}

static void nothing_is_found(void *arg, const char *sentence)
{
	(void)arg;
	fail_msg("%s", sentence);
}

static void sessions_share_accounts(void **state)
{
	struct sessions s = {.f = *state};
	start(&s, idler);
	for (int i = 0; i < SESSIONS; i++)
		start(&s, session);
	assert_int_equal(fiber_group_wait(&s.group, clock_mono_ms() + 120000), 0);
	assert_int_equal(s.woken, 20);
	fixture_reopen(s.f);
	for (unsigned i = 0; i < ACCOUNTS; i++) {
		char id[16];
		struct account *a;
		struct check_report report;
		uint64_t bytes, messages;
		account_name(id, i);
		assert_ok(account_open(s.f->store, id, false, NULL, &a));
		account_usage(a, &bytes, &messages);
		assert_int_equal(messages, s.added[i] - s.gone[i]);
		account_close(&a);
		assert_ok(account_check(s.f->store, id, false, nothing_is_found, NULL, &report));
		assert_int_equal(report.checkpoints_bad + report.blobs_bad + report.log_damaged, 0);
	}
}

struct delivery {
	struct fixture *f;
	struct fiber_group group;
	unsigned next;
};

/* More accounts than are kept open. */
static void deliver(void *arg)
{
	struct delivery *d = arg;
	for (unsigned i; (i = d->next++) < IDLE_ACCOUNTS_MAX * 2;) {
		char id[16];
		struct account *a;
		struct mailbox_info info;
		struct pool *pool = pool_new("delivery");
		uint32_t uid;
		snprintf(id, sizeof(id), "d%u", i);
		assert_ok(account_open(d->f->store, id, true, NULL, &a));
		assert_ok(mailbox_find(a, pool, "INBOX", false, &info));
		assert_ok(fixture_try_append(d->f, a, info.id, "x", 0, id, &uid));
		assert_int_equal(uid, 1);
		account_close(&a);
		pool_free(&pool);
	}
	fiber_group_leave(&d->group);
}

static void idle_accounts_are_let_go(void **state)
{
	struct delivery d = {.f = *state};
	for (int i = 0; i < 16; i++) {
		fiber_group_enter(&d.group);
		fiber_start("deliver", deliver, &d);
	}
	assert_int_equal(fiber_group_wait(&d.group, clock_mono_ms() + 120000), 0);
	assert_in_range(hash_count(d.f->store->accounts), 1, IDLE_ACCOUNTS_MAX + 1);
	const char **v;
	size_t n;
	assert_ok(store_list_accounts(d.f->store, d.f->pool, &v, &n));
	assert_int_equal(n, IDLE_ACCOUNTS_MAX * 2 + 1);
}

/* --- an account that goes while its flags are being synced --- */

#define FLAG_SYNC_MS 700
#define SLOW_SYNC_MS 1000

static _Atomic bool medium_is_slow; /* syncs run on helper threads */

static int slow_sync(int fd)
{
	if (medium_is_slow)
		usleep(SLOW_SYNC_MS * 1000);
	return fdatasync(fd);
}

static void visit(struct fixture *f, unsigned number)
{
	char id[16];
	struct account *a;
	snprintf(id, sizeof(id), "v%u", number);
	assert_ok(account_open(f->store, id, true, NULL, &a));
	account_close(&a);
}

static void change_flags(struct fixture *f)
{
	struct account *a;
	struct view *view;
	struct mailbox_info info;
	uint32_t uid, *failed;
	size_t nfailed;
	struct flag_change change = {.op = FLAGS_ADD, .flags = MSG_SEEN, .unchanged_since = UINT64_MAX};
	assert_ok(account_open(f->store, "flags", true, NULL, &a));
	assert_ok(mailbox_find(a, f->pool, "INBOX", false, &info));
	assert_ok(fixture_try_append(f, a, info.id, "x", 0, NULL, &uid));
	assert_ok(view_open(a, info.id, false, &view));
	assert_ok(view_store(view, &uid, 1, &change, f->pool, &failed, &nfailed));
	view_close(&view);
	account_close(&a);
}

static void crowd_out(void *arg)
{
	struct sessions *s = arg;
	unsigned n = 0;
	for (unsigned i = 0; i < IDLE_ACCOUNTS_MAX; i++)
		visit(s->f, i);
	change_flags(s->f);
	for (unsigned i = 1; i < IDLE_ACCOUNTS_MAX; i++) /* in memory: now it is the oldest */
		visit(s->f, i);
	medium_is_slow = true;
	visit(s->f, 0); /* it goes for this one, and its timer comes while it is synced */
	medium_is_slow = false;
	assert_int_equal(fiber_group_wait(&s->f->store->busy, clock_mono_ms() + 30 * SLOW_SYNC_MS), 0);
	list_each (link, &s->f->store->idle)
		n++;
	assert_int_equal(n, s->f->store->nidle);
	fiber_group_leave(&s->group);
}

static void an_account_that_goes_waits_for_its_own_sync(void **state)
{
	struct sessions s = {.f = *state};
	fixture_close(s.f);
	s.f->sync = slow_sync;
	s.f->conf.flag_sync_ms = FLAG_SYNC_MS;
	fixture_open(s.f);
	start(&s, crowd_out);
	assert_int_equal(fiber_group_wait(&s.group, clock_mono_ms() + 60000), 0);
}

/* --- a session claims \Recent while another message is on its way to the medium --- */

struct claiming {
	struct sessions s;
	bool appended;
};

static void append_slowly(void *arg)
{
	struct claiming *c = arg;
	fixture_append(c->s.f, c->s.f->inbox, "x", 0);
	c->appended = true;
	fiber_group_leave(&c->s.group);
}

static void claim_meanwhile(void *arg)
{
	struct claiming *c = arg;
	struct mailbox_info info;
	fixture_fill(c->s.f, c->s.f->inbox, 2, 0);
	medium_is_slow = true;
	start(&c->s, append_slowly);
	while (tree_find(&c->s.f->account->live, c->s.f->inbox)->uidnext < 4)
		io_sleep(1); /* its body is synced before its record is written */
	struct view *view = fixture_view(c->s.f, c->s.f->inbox, false);
	assert_false(c->appended);
	medium_is_slow = false;
	view_info(view, &info);
	assert_int_equal(info.messages, 2);
	assert_int_equal(info.recent, 2);
	view_close(&view);
	fiber_group_leave(&c->s.group);
}

static void what_is_not_shown_yet_stays_recent(void **state)
{
	struct claiming c = {.s.f = *state};
	struct check_report report;
	struct mailbox_info info;
	fixture_close(c.s.f);
	c.s.f->sync = slow_sync;
	fixture_open(c.s.f);
	start(&c.s, claim_meanwhile);
	assert_int_equal(fiber_group_wait(&c.s.group, clock_mono_ms() + 60000), 0);
	assert_true(c.appended);
	struct view *view = fixture_view(c.s.f, c.s.f->inbox, true);
	view_info(view, &info);
	assert_int_equal(info.recent, 1);
	view_close(&view);
	assert_ok(account_check(c.s.f->store, c.s.f->account->id, false, nothing_is_found, NULL, &report));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		FIXTURE_TEST(sessions_share_accounts),
		FIXTURE_TEST(idle_accounts_are_let_go),
		FIXTURE_TEST(an_account_that_goes_waits_for_its_own_sync),
		FIXTURE_TEST(what_is_not_shown_yet_stays_recent),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
