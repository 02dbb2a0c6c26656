/* A pack cut and flipped at every octet of its last KiB: it costs the bodies that it hits, the
 * check names them, everything else of the account and its neighbour is as before. */
#include "t/lib/store/fixture.h"

#define MESSAGES 16
#define LAST	 1024

struct scene {
	struct fixture f;
	char pack[128];
	char *bytes;
	size_t n;
	uint64_t body_at[MESSAGES + 1], head_at[MESSAGES + 1]; /* of message i */
};

static int no_sync(int fd)
{
	(void)fd;
	return 0;
}

static const char *body_of(struct fixture *f, uint32_t uid)
{
	return pool_printf(f->pool, "Subject: %u\r\n\r\nthe body\r\n", uid);
}

static void find_pack(struct scene *s)
{
	char dir[96];
	snprintf(dir, sizeof(dir), "%s/p0/packs", s->f.dir);
	DIR *d = opendir(dir);
	for (struct dirent *e; (e = readdir(d));)
		if (e->d_name[0] != '.')
			snprintf(s->pack, sizeof(s->pack), "%s/%.16s", dir, e->d_name);
	closedir(d);
	assert_int_equal(os_read_file(AT_FDCWD, s->pack, 1 << 26, &s->bytes, &s->n), 0);
}

static void fill(struct scene *s)
{
	struct fixture *f = &s->f;
	struct account *neighbour;
	struct mailbox_info info;
	uint32_t uid;
	assert_ok(account_open(f->store, "b2", true, NULL, &neighbour));
	assert_ok(mailbox_find(neighbour, f->pool, "INBOX", false, &info));
	assert_ok(fixture_try_append(f, neighbour, info.id, "the neighbour's", 0, NULL, &uid));
	account_close(&neighbour);
	for (uint32_t i = 1; i <= MESSAGES; i++)
		assert_int_equal(fixture_append(f, f->inbox, body_of(f, i), 0), i);
	struct view *view = fixture_view(f, f->inbox, true);
	for (uint32_t i = 1; i <= MESSAGES; i++) {
		s->body_at[i] = view_row(view, i)->pack_at;
		s->head_at[i] =
			i == 1 ? 0 : (s->body_at[i - 1] + view_row(view, i - 1)->size + 7) / 8 * 8;
	}
	view_close(&view);
}

static int setup(void **state)
{
	struct scene *s = calloc(1, sizeof(*s));
	s->f.fast = true;
	fixture_init(&s->f);
	s->f.sync = no_sync;
	fixture_open(&s->f);
	fill(s);
	fixture_close(&s->f);
	find_pack(s);
	*state = s;
	return 0;
}

static int teardown(void **state)
{
	struct scene *s = *state;
	fixture_remove(s->f.dir);
	pool_free(&s->f.pool);
	free(s->bytes);
	free(s);
	return 0;
}

static void put_pack(struct scene *s, size_t n)
{
	int fd = open(s->pack, O_WRONLY | O_TRUNC);
	assert_true(fd >= 0);
	assert_int_equal(os_write_all(fd, s->bytes, n), 0);
	close(fd);
}

/* The message that has this octet; 0: padding, the seal or nobody's. */
static uint32_t owner_of(const struct scene *s, uint64_t at)
{
	for (uint32_t i = 2; i <= MESSAGES; i++)
		if (at >= s->head_at[i] &&
			at < s->body_at[i] + strlen(body_of((struct fixture *)&s->f, i)))
			return i;
	return 0;
}

static void say(void *arg, const char *sentence)
{
	strncat(arg, sentence, 4000 - strlen(arg) - 1);
}

static void neighbour_is_well(struct fixture *f)
{
	struct account *neighbour;
	struct mailbox_info info;
	struct view *view;
	struct span body;
	struct check_report report;
	assert_ok(account_open(f->store, "b2", false, NULL, &neighbour));
	assert_ok(mailbox_find(neighbour, f->pool, "INBOX", false, &info));
	assert_ok(view_open(neighbour, info.id, true, &view));
	assert_ok(message_read(neighbour, view_row(view, 1), 0, UINT64_MAX, f->pool, &body));
	assert_true(span_is(body, "the neighbour's"));
	view_close(&view);
	account_close(&neighbour);
	assert_ok(account_check(f->store, "b2", false, NULL, NULL, &report));
	assert_int_equal(report.blobs_bad + report.log_damaged + report.checkpoints_bad, 0);
}

/* All are listed; those below `first_bad` and above `last_bad` are read whole. */
static uint64_t look(struct scene *s, uint32_t first_bad, uint32_t last_bad, char said[4000])
{
	struct fixture *f = &s->f;
	struct check_report report;
	fixture_open(f);
	struct view *view = fixture_view(f, f->inbox, true);
	assert_true(view_count(view) >= MESSAGES);
	for (uint32_t uid = 1; uid <= MESSAGES; uid++) {
		struct span body;
		enum store_status status = message_read(
			f->account, view_row(view, uid), 0, UINT64_MAX, f->pool, &body);
		if (uid < first_bad || uid > last_bad) {
			assert_ok(status);
			assert_true(span_is(body, body_of(f, uid)));
		}
		assert_true(status != STORE_OK || span_is(body, body_of(f, uid)));
	}
	view_close(&view);
	said[0] = '\0';
	assert_ok(account_check(f->store, "a1", false, say, said, &report));
	assert_int_equal(report.log_damaged + report.checkpoints_bad, 0);
	neighbour_is_well(f);
	fixture_close(f);
	pool_reset(f->pool);
	return report.blobs_bad;
}

static void every_flip(void **state)
{
	struct scene *s = *state;
	char said[4000], name[32];
	unsigned found = 0;
	for (size_t at = s->n - LAST; at < s->n; at++) {
		s->bytes[at] ^= 0x10;
		put_pack(s, s->n);
		s->bytes[at] ^= 0x10;
		uint32_t owner = owner_of(s, at);
		uint64_t bad = look(s, owner ? owner : MESSAGES + 1, owner ? owner : 0, said);
		assert_int_equal(bad, owner ? 1 : 0);
		snprintf(name, sizeof(name), "UID %u ", owner);
		assert_true(!owner || strstr(said, name));
		found += (unsigned)bad;
	}
	assert_in_range(found, LAST / 2, LAST);
}

static void every_cut(void **state)
{
	struct scene *s = *state;
	char said[4000];
	for (size_t at = s->n - LAST; at < s->n; at++) {
		put_pack(s, at);
		uint32_t first = MESSAGES + 1;
		for (uint32_t i = MESSAGES; i >= 1; i--)
			if (s->body_at[i] + strlen(body_of(&s->f, i)) > at)
				first = i;
		assert_int_equal(look(s, first, MESSAGES, said), MESSAGES + 1 - first);
	}
}

/* What comes next goes to another pack, whatever became of this one. */
static void the_next_message_is_whole(void **state)
{
	struct scene *s = *state;
	struct fixture *f = &s->f;
	struct span body;
	put_pack(s, 10);
	fixture_open(f);
	uint32_t uid = fixture_append(f, f->inbox, "new", 0);
	struct view *view = fixture_view(f, f->inbox, true);
	assert_ok(message_read(
		f->account, view_row(view, view_seq_of(view, uid)), 0, UINT64_MAX, f->pool, &body));
	assert_true(span_is(body, "new"));
	view_close(&view);
	fixture_close(f);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(every_flip),
		cmocka_unit_test(every_cut),
		cmocka_unit_test(the_next_message_is_whole),
	};
	const char *err;
	log_open("test", "/dev/null", LOG_LEVEL_FATAL, &err);
	return cmocka_run_group_tests(tests, setup, teardown);
}
