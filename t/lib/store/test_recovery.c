/*
 * Files cut and flipped at every byte of their last KiB: the account comes back with every whole
 * record, says what it lost, never gives a UID twice, and its neighbour does not notice.
 */
#include "t/lib/store/fixture.h"

#define MESSAGES 20
#define LAST	 1024

struct copy {
	char *bytes;
	size_t n;
};

struct scene {
	struct fixture f;
	struct copy log, head, tree, index;
	uint64_t ends[MESSAGES + 1]; /* file offset where the record of message i ends */
	size_t data;		     /* octets of the log that hold records */
};

static int no_sync(int fd)
{
	(void)fd;
	return 0;
}

static struct copy take(struct fixture *f, const char *name)
{
	struct copy c;
	assert_int_equal(os_read_file(AT_FDCWD, fixture_path(f, name), 1 << 26, &c.bytes, &c.n), 0);
	return c;
}

static void put(struct fixture *f, const char *name, const struct copy *c, size_t n)
{
	const char *path = fixture_path(f, name);
	int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC, 0600);
	assert_true(fd >= 0);
	assert_int_equal(os_write_all(fd, c->bytes, n), 0);
	close(fd);
}

static void say(void *arg, const char *sentence)
{
	(void)arg;
	(void)sentence;
}

static void build(struct scene *s)
{
	struct fixture *f = &s->f;
	struct check_report report;
	char body[64];
	f->fast = true;
	fixture_init(f);
	f->sync = no_sync;
	fixture_open(f);
	for (uint32_t i = 1; i <= MESSAGES; i++) {
		snprintf(body, sizeof(body), "Subject: %u\r\n\r\nthe body\r\n", i);
		assert_int_equal(fixture_append(f, f->inbox, body, 0), i);
		s->ends[i] = SEGMENT_HEADER + f->account->live.at - LOG_FIRST;
		if (i == MESSAGES / 2)
			assert_ok(account_check(f->store, "a1", true, say, NULL, &report));
	}
	struct account *neighbour;
	struct mailbox_info info;
	uint32_t uid;
	assert_ok(account_open(f->store, "b2", true, NULL, &neighbour));
	assert_ok(mailbox_find(neighbour, f->pool, "INBOX", true, &info));
	assert_ok(fixture_try_append(f, neighbour, info.id, "x", 0, NULL, &uid));
	account_close(&neighbour);
	fixture_close(f);
	s->data = (size_t)s->ends[MESSAGES];
	s->log = take(f, "log.1");
	s->head = take(f, "head");
	s->tree = take(f, "tree");
	char name[32];
	index_name(name, f->inbox);
	s->index = take(f, name);
}

static void restore(struct scene *s)
{
	char name[32];
	index_name(name, s->f.inbox);
	put(&s->f, "log.1", &s->log, s->log.n);
	put(&s->f, "head", &s->head, s->head.n);
	put(&s->f, "tree", &s->tree, s->tree.n);
	put(&s->f, name, &s->index, s->index.n);
	unlink(fixture_path(&s->f, "log.2"));
}

static int setup(void **state)
{
	struct scene *s = calloc(1, sizeof(*s));
	build(s);
	*state = s;
	return 0;
}

static int teardown(void **state)
{
	struct scene *s = *state;
	fixture_remove(s->f.dir);
	pool_free(&s->f.pool);
	free(s->log.bytes);
	free(s->head.bytes);
	free(s->tree.bytes);
	free(s->index.bytes);
	free(s);
	return 0;
}

struct result {
	uint32_t messages;
	uint32_t added; /* UID of one appended afterwards */
	uint32_t last;	/* highest UID seen before */
};

/* Opens what is there, as after a power cut when rebooted is set, looks at everything and adds a
 * message. */
static struct result visit(struct scene *s, bool rebooted)
{
	struct fixture *f = &s->f;
	struct result r = {0};
	const char *err;
	struct view *view;
	if (store_open_with(&f->conf, no_sync, &f->store, &err) < 0)
		fail_msg("%s", err);
	if (rebooted)
		snprintf(f->store->boot, sizeof(f->store->boot), "another boot");
	assert_ok(account_open(f->store, "a1", false, NULL, &f->account));
	struct mailbox_info info;
	assert_ok(mailbox_find(f->account, f->pool, "INBOX", true, &info));
	assert_ok(view_open(f->account, info.id, true, &view));
	r.messages = view_count(view);
	assert_int_equal(info.messages, r.messages);
	for (uint32_t seq = 1; seq <= r.messages; seq++) {
		const struct msg_row *row = view_row(view, seq);
		struct span body, summary;
		assert_true(row->uid > r.last);
		r.last = row->uid;
		assert_ok(message_read(f->account, row, 0, UINT64_MAX, f->pool, &body));
		char want[64];
		snprintf(want, sizeof(want), "Subject: %u\r\n\r\nthe body\r\n", row->uid);
		assert_true(span_is(body, want));
		(void)message_summary(
			f->account, row, f->pool, &summary); /* may be lost with its record */
	}
	view_close(&view);
	r.added = fixture_append(f, info.id, "new", 0);
	assert_true(r.added > r.last);
	uint64_t bytes, messages;
	struct account *neighbour;
	assert_ok(account_open(f->store, "b2", false, NULL, &neighbour));
	account_usage(neighbour, &bytes, &messages);
	assert_int_equal(messages, 1);
	account_close(&neighbour);
	fixture_close(f);
	pool_reset(f->pool);
	return r;
}

static uint32_t whole_before(const struct scene *s, size_t offset)
{
	uint32_t n = 0;
	while (n < MESSAGES && s->ends[n + 1] <= offset)
		n++;
	return n;
}

static void unharmed(void **state)
{
	struct scene *s = *state;
	for (int rebooted = 0; rebooted < 2; rebooted++) {
		restore(s);
		struct result r = visit(s, rebooted);
		assert_int_equal(r.messages, MESSAGES);
		assert_int_equal(r.added, MESSAGES + 1);
	}
}

/* The disk lost the end of the log, and says so: head knows that it was durable. */
static void log_cut_below_the_floor(void **state)
{
	struct scene *s = *state;
	for (size_t cut = s->data - LAST; cut < s->data; cut++) {
		restore(s);
		put(&s->f, "log.1", &s->log, cut);
		struct result r = visit(s, true);
		assert_int_equal(r.messages, whole_before(s, cut));
		assert_true(r.added > MESSAGES);
	}
}

/* A power cut in the middle of a record: without the head nothing says that the tail was answered
 * for. */
static void log_torn_above_the_floor(void **state)
{
	struct scene *s = *state;
	for (size_t cut = s->data - LAST; cut < s->data; cut++) {
		restore(s);
		unlink(fixture_path(&s->f, "head"));
		put(&s->f, "log.1", &s->log, cut);
		struct result r = visit(s, true);
		assert_int_equal(r.messages, whole_before(s, cut));
		assert_int_equal(r.added, r.last + 1);
	}
}

/* Damage costs the record that it hits, no other: later records prove that it was durable. */
static void flip_log(struct scene *s, bool with_head)
{
	uint32_t uids_lost = 0;
	for (size_t at = s->data - LAST; at < s->data; at++) {
		restore(s);
		if (!with_head)
			unlink(fixture_path(&s->f, "head"));
		s->log.bytes[at] ^= (char)(1 << at % 8);
		put(&s->f, "log.1", &s->log, s->log.n);
		s->log.bytes[at] ^= (char)(1 << at % 8);
		struct result r = visit(s, true);
		assert_in_range(r.messages, MESSAGES - 1, MESSAGES);
		uids_lost += MESSAGES - r.messages;
		assert_true(r.added > MESSAGES || (!with_head && r.last == MESSAGES - 1));
	}
	assert_int_equal(uids_lost, LAST); /* each flip is noticed */
}

static void log_flipped(void **state)
{
	flip_log(*state, true);
}

static void log_flipped_and_head_lost(void **state)
{
	flip_log(*state, false);
}

/* In the same boot, while head is right: found by whoever opens the account next. */
static void log_flipped_without_a_reboot(void **state)
{
	struct scene *s = *state;
	for (size_t at = s->data - LAST; at < s->data; at += 7) {
		restore(s);
		s->log.bytes[at] ^= 64;
		put(&s->f, "log.1", &s->log, s->log.n);
		s->log.bytes[at] ^= 64;
		struct result r = visit(s, false);
		assert_int_equal(r.messages, MESSAGES - 1);
		assert_true(r.added > MESSAGES);
	}
}

static void segment_header_flipped(void **state)
{
	struct scene *s = *state;
	for (size_t at = 0; at < SEGMENT_HEADER; at++) {
		restore(s);
		s->log.bytes[at] ^= 2;
		put(&s->f, "log.1", &s->log, s->log.n);
		s->log.bytes[at] ^= 2;
		struct result r = visit(s, true);
		assert_int_equal(r.messages, MESSAGES);
		assert_int_equal(r.added, MESSAGES + 1);
	}
}

/* Checkpoints and head are caches: nothing is lost with them. */
static void spoil_cache(
	struct scene *s, const char *name, struct copy *c, size_t first, size_t last, bool rebooted)
{
	for (size_t at = first; at < last; at++) {
		restore(s);
		c->bytes[at] ^= (char)(1 << at % 8);
		put(&s->f, name, c, c->n);
		c->bytes[at] ^= (char)(1 << at % 8);
		struct result r = visit(s, rebooted);
		assert_int_equal(r.messages, MESSAGES);
		assert_true(r.added > MESSAGES);
		restore(s);
		put(&s->f, name, c, at);
		r = visit(s, rebooted);
		assert_int_equal(r.messages, MESSAGES);
		assert_true(r.added > MESSAGES);
	}
}

static void head_spoiled(void **state)
{
	struct scene *s = *state;
	spoil_cache(s, "head", &s->head, 0, 192, false);
	spoil_cache(s, "head", &s->head, 0, 192, true);
}

static void tree_spoiled(void **state)
{
	struct scene *s = *state;
	size_t from = s->tree.n > LAST ? s->tree.n - LAST : 0;
	spoil_cache(s, "tree", &s->tree, from, s->tree.n, false);
}

static void index_spoiled(void **state)
{
	struct scene *s = *state;
	char name[32];
	index_name(name, s->f.inbox);
	size_t from = s->index.n > LAST ? s->index.n - LAST : 0;
	spoil_cache(s, name, &s->index, from, s->index.n, false);
}

static void everything_but_the_log_is_gone(void **state)
{
	struct scene *s = *state;
	char name[32];
	restore(s);
	index_name(name, s->f.inbox);
	unlink(fixture_path(&s->f, "head"));
	unlink(fixture_path(&s->f, "tree"));
	unlink(fixture_path(&s->f, name));
	struct result r = visit(s, false);
	assert_int_equal(r.messages, MESSAGES);
	assert_int_equal(r.added, MESSAGES + 1);
}

/* Damage in the middle, with everything that could hide it gone: found by the walk, kept, said,
 * counted. */
static void damage_is_reported_and_kept(void **state)
{
	struct scene *s = *state;
	struct check_report report;
	char name[40];
	size_t at = (size_t)s->ends[5] + 60;
	restore(s);
	unlink(fixture_path(&s->f, "tree"));
	s->log.bytes[at] ^= 1;
	put(&s->f, "log.1", &s->log, s->log.n);
	s->log.bytes[at] ^= 1;
	unsigned long long from = s->ends[5] - SEGMENT_HEADER + LOG_FIRST;
	snprintf(name, sizeof(name), "damage.%llx", from);
	unlink(fixture_path(&s->f, name));
	struct result r = visit(s, true);
	assert_true(r.added > MESSAGES);
	assert_int_equal(access(fixture_path(&s->f, name), F_OK), 0);
	fixture_open(&s->f);
	assert_ok(account_check(s->f.store, "a1", false, say, NULL, &report));
	assert_int_equal(report.log_damaged, 1);
	fixture_close(&s->f);
}

/* Both copies of durable agree on a place that the log never reached. */
static void a_head_that_promises_too_much(void **state)
{
	struct scene *s = *state;
	struct head h;
	restore(s);
	int dirfd = open(fixture_path(&s->f, "."), O_RDONLY | O_DIRECTORY);
	assert_int_equal(head_open(&h, dirfd, false), 0);
	head_advance(&h, UINT64_C(1) << 50);
	head_close(&h);
	struct result r = visit(s, false);
	assert_int_equal(r.messages, MESSAGES);
	assert_true(r.added > MESSAGES);
	assert_int_equal(head_open(&h, dirfd, false), 0);
	assert_true(head_durable(&h) <= head_end(&h));
	assert_true(head_durable_agrees(&h));
	head_close(&h);
	close(dirfd);
}

static void put_record(
	struct log *log, uint64_t *at, uint64_t sequence, uint32_t chain, uint32_t *crc_r)
{
	struct str bytes = STR_INIT;
	struct record r = {.at = *at, .sequence = sequence, .chain = chain, .class = RECORD_FIRM};
	record_start(&bytes, NULL, NULL);
	record_finish(&bytes, log_segment(log, 1)->salt, &r);
	assert_int_equal(log_write(log, r.at, str_span(&bytes)), 0);
	*at += r.length;
	*crc_r = r.crc;
	str_fini(&bytes);
}

/* Whole records are not enough: each must follow the one before it. */
static void a_walk_ends_where_the_chain_does(void **state)
{
	static const struct {
		uint64_t sequence;
		uint32_t chain_off;
		uint64_t records;
	} rows[] = {
		{3, 0, 3},
		{9, 0, 3}, /* an epoch */
		{3, 1, 2}, /* left over from before a cut */
		{2, 0, 2},
		{1, 0, 2},
	};
	struct scene *s = *state;
	for (size_t i = 0; i < COUNT_OF(rows); i++) {
		struct log log;
		struct log_walk walk = {.at = LOG_FIRST, .chain_known = true};
		uint64_t at = LOG_FIRST;
		uint32_t crc;
		char dir[80];
		snprintf(dir, sizeof(dir), "%s/walk%zu", s->f.dir, i);
		assert_int_equal(mkdir(dir, 0700), 0);
		int dirfd = open(dir, O_RDONLY | O_DIRECTORY);
		log_init(&log, dirfd, "w");
		assert_int_equal(log_add_segment(&log, LOG_FIRST, 0), 0);
		put_record(&log, &at, 1, 0, &crc);
		put_record(&log, &at, 2, crc, &crc);
		put_record(&log, &at, rows[i].sequence, crc + rows[i].chain_off, &crc);
		assert_int_equal(log_walk(&log, &walk), 0);
		assert_int_equal(walk.records, rows[i].records);
		log_fini(&log);
		close(dirfd);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(unharmed),
		cmocka_unit_test(log_cut_below_the_floor),
		cmocka_unit_test(log_torn_above_the_floor),
		cmocka_unit_test(log_flipped),
		cmocka_unit_test(log_flipped_and_head_lost),
		cmocka_unit_test(log_flipped_without_a_reboot),
		cmocka_unit_test(segment_header_flipped),
		cmocka_unit_test(head_spoiled),
		cmocka_unit_test(tree_spoiled),
		cmocka_unit_test(index_spoiled),
		cmocka_unit_test(everything_but_the_log_is_gone),
		cmocka_unit_test(damage_is_reported_and_kept),
		cmocka_unit_test(a_head_that_promises_too_much),
		cmocka_unit_test(a_walk_ends_where_the_chain_does),
	};
	const char *err;
	log_open("test", "/dev/null", LOG_LEVEL_FATAL, &err); /* thousands of reported damages */
	return cmocka_run_group_tests(tests, setup, teardown);
}
