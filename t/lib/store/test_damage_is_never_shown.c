/* A body that is not what was stored is not given out whole, whatever its size and its head's. */
#include "t/lib/store/fixture.h"

#define LARGE	    (200 * 1024)
#define READERS_MAX 60

static const struct row {
	size_t size, readers;
	size_t flips[4]; /* octets of the body that go bad, one at a time */
} rows[] = {
	{0, 1, {0}},
	{1, 1, {0}},
	{4096, 1, {0, 1, 2048, 4095}},
	{4096, READERS_MAX, {0, 4095}},
	{LARGE, 1, {0, 65535, 65536, LARGE - 1}},
	{LARGE, READERS_MAX, {LARGE / 2}},
};

static uint32_t put(struct fixture *f, const struct row *r, char *body)
{
	const char *readers[READERS_MAX];
	struct append append = {.summary = SPAN_LIT("s")};
	uint32_t uid, uidvalidity;
	for (size_t i = 0; i < r->size; i++)
		body[i] = (char)('a' + i % 23);
	readers[0] = f->account->id;
	for (size_t i = 1; i < r->readers; i++)
		readers[i] = pool_printf(f->pool, "reader%zu", i);
	assert_ok(blob_put(f->store, span_make(body, r->size), readers, r->readers, &append.blob));
	assert_ok(mailbox_append(f->account, f->inbox, &append, 1, IO_FOREVER, &uid, &uidvalidity));
	return uid;
}

static void flip(struct fixture *f, const struct msg_row *row, size_t at)
{
	char c;
	const char *path = pool_printf(f->pool, "%s/p0/packs/%016llx", f->dir, (unsigned long long)row->pack);
	int fd = open(path, O_RDWR);
	assert_true(fd >= 0);
	assert_int_equal(pread(fd, &c, 1, (off_t)(row->pack_at + at)), 1);
	c ^= 4;
	assert_int_equal(pwrite(fd, &c, 1, (off_t)(row->pack_at + at)), 1);
	close(fd);
}

static void look(struct fixture *f, const struct msg_row *row, enum store_status want, const char *body)
{
	struct span got = SPAN_LIT("");
	assert_int_equal(message_verify(f->account, row), want);
	assert_int_equal(message_read(f->account, row, 0, UINT64_MAX, f->pool, &got), want);
	if (want == STORE_OK)
		assert_true(span_eq(got, span_make(body, row->size)));
	else
		assert_int_equal(got.n, 0);
}

static void bodies_of_all_sizes(void **state)
{
	struct fixture *f = *state;
	char *body = malloc(LARGE);
	for (const struct row *r = rows; r < rows + sizeof(rows) / sizeof(rows[0]); r++) {
		uint32_t uid = put(f, r, body);
		struct view *view = fixture_view(f, f->inbox, true);
		const struct msg_row *row = view_row(view, view_seq_of(view, uid));
		look(f, row, STORE_OK, body);
		for (size_t i = 0; r->size && i < 4; i++) {
			flip(f, row, r->flips[i]);
			look(f, row, STORE_DAMAGED, body);
			flip(f, row, r->flips[i]);
		}
		look(f, row, STORE_OK, body);
		view_close(&view);
	}
	free(body);
}

/* Damage in front of the body costs the body at most. */
static void heads(void **state)
{
	struct fixture *f = *state;
	char *body = malloc(LARGE);
	uint32_t uid = put(f, &rows[2], body);
	struct view *view = fixture_view(f, f->inbox, true);
	const struct msg_row *row = view_row(view, view_seq_of(view, uid));
	unsigned damaged = 0;
	for (size_t back = 1; back <= 80; back++) {
		struct span got;
		flip(f, row, -back);
		enum store_status status = message_read(f->account, row, 0, UINT64_MAX, f->pool, &got);
		assert_true(status == STORE_DAMAGED ||
			    (status == STORE_OK && span_eq(got, span_make(body, row->size))));
		assert_int_equal(message_verify(f->account, row), status);
		damaged += status == STORE_DAMAGED;
		flip(f, row, -back);
	}
	assert_in_range(damaged, 8, 40); /* its sum, and the length that leads to it */
	look(f, row, STORE_OK, body);
	view_close(&view);
	free(body);
}

/* Who asks for a part gets that part: there is no sum for it. */
static void a_range_is_read_as_it_is(void **state)
{
	struct fixture *f = *state;
	char *body = malloc(LARGE);
	uint32_t uid = put(f, &rows[2], body);
	struct view *view = fixture_view(f, f->inbox, true);
	const struct msg_row *row = view_row(view, view_seq_of(view, uid));
	struct span got;
	flip(f, row, 0);
	assert_ok(message_read(f->account, row, 1, 9, f->pool, &got));
	assert_true(span_eq(got, span_make(body + 1, 9)));
	assert_ok(message_read(f->account, row, 4000, 4000, f->pool, &got));
	assert_int_equal(got.n, 96);
	assert_ok(message_read(f->account, row, 5000, 1, f->pool, &got));
	assert_int_equal(got.n, 0);
	flip(f, row, 0);
	view_close(&view);
	free(body);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(bodies_of_all_sizes, fixture_setup, fixture_teardown),
		cmocka_unit_test_setup_teardown(heads, fixture_setup, fixture_teardown),
		cmocka_unit_test_setup_teardown(a_range_is_read_as_it_is, fixture_setup, fixture_teardown),
	};
	const char *err;
	log_open("test", "/dev/null", LOG_LEVEL_FATAL, &err);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
