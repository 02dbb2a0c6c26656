/* Rows of mailboxes and accounts that nobody uses: kept, within limits, and cheap for who opens them elsewhere. */
#include "fixture.h"

#include "store/checkpoint.h"

#define MANY 20000

static struct index *look(struct fixture *f, uint32_t mailbox, uint32_t flagged)
{
	struct view *view = fixture_view(f, mailbox, false);
	uint32_t *uids = calloc(flagged + 1, sizeof(*uids));
	for (uint32_t i = 0; i < flagged; i++)
		uids[i] = i + 1;
	if (flagged)
		assert_ok(fixture_store(f, view, FLAGS_ADD, MSG_FLAGGED, uids, flagged));
	struct index *x = hash_find_u32(f->account->indexes, mailbox);
	view_close(&view);
	free(uids);
	return x;
}

static uint64_t checkpointed(struct fixture *f, uint32_t mailbox)
{
	char name[32], bytes[CHECKPOINT_HEADER];
	struct checkpoint c;
	index_name(name, mailbox);
	int fd = openat(f->account->dirfd, name, O_RDONLY);
	if (fd < 0)
		return 0;
	assert_int_equal(read(fd, bytes, sizeof(bytes)), sizeof(bytes));
	close(fd);
	assert_int_equal(checkpoint_parse(&c, INDEX_MAGIC, f->account->id,
				 span_make(bytes, sizeof(bytes))),
		0);
	return c.changes;
}

static void rows_stay_until_they_are_worn(void **state)
{
	struct fixture *f = *state;
	fixture_fill(f, f->inbox, MANY, 0);
	struct index *x = look(f, f->inbox, 4700); /* more changes than a quarter of the rows */
	assert_ptr_equal(hash_find_u32(f->account->indexes, f->inbox), x);
	assert_ptr_equal(look(f, f->inbox, 0), x);
	assert_int_equal(f->store->nidle_indexes, 1);
	look(f, f->inbox, MANY);
	assert_null(hash_find_u32(f->account->indexes, f->inbox));
	assert_int_equal(f->store->nidle_indexes, 0);
	assert_int_equal(f->store->idle_rows, 0);
}

static void what_is_left_behind_is_checkpointed(void **state)
{
	struct fixture *f = *state;
	fixture_fill(f, f->inbox, MANY, 0);
	look(f, f->inbox, 0);
	uint64_t before = checkpointed(f, f->inbox);
	fixture_fill(f, f->inbox, 400, 0); /* not yet due while it is written to, */
	assert_int_equal(checkpointed(f, f->inbox), before);
	look(f, f->inbox, 0); /* but when nobody looks any more */
	assert_int_equal(checkpointed(f, f->inbox), before + 400);
	fixture_fill(f, f->inbox, 100, 0);
	look(f, f->inbox, 0);
	assert_int_equal(checkpointed(f, f->inbox), before + 400);
}

static void mailboxes_are_kept_in_a_bounded_number(void **state)
{
	struct fixture *f = *state;
	uint32_t first = 0, last = 0;
	for (unsigned i = 0; i < IDLE_INDEXES_MAX + 5; i++) {
		char name[16];
		snprintf(name, sizeof(name), "m%u", i);
		assert_ok(mailbox_create(f->account, name, USE_NONE, &last));
		look(f, last, 0);
		first = first ? first : last;
	}
	assert_int_equal(f->store->nidle_indexes, IDLE_INDEXES_MAX);
	assert_int_equal(hash_count(f->account->indexes), IDLE_INDEXES_MAX);
	assert_null(hash_find_u32(f->account->indexes, first));
	assert_non_null(hash_find_u32(f->account->indexes, last));
}

static void rows_are_kept_in_a_bounded_number(void **state)
{
	struct fixture *f = *state;
	uint32_t boxes[5];
	for (unsigned i = 0; i < COUNT_OF(boxes); i++) {
		char name[16];
		snprintf(name, sizeof(name), "m%u", i);
		assert_ok(mailbox_create(f->account, name, USE_NONE, &boxes[i]));
		fixture_fill(f, boxes[i], 4 * MANY, 0);
		look(f, boxes[i], MANY - 200); /* hardly not worn */
		assert_in_range(f->store->idle_rows, 1, IDLE_ROWS_MAX);
	}
	assert_null(hash_find_u32(f->account->indexes, boxes[0]));
	assert_non_null(hash_find_u32(f->account->indexes, boxes[4]));
}

/* Others go on to write to it: it must not grow while nobody looks. */
static void idle_rows_that_grow_are_given_up(void **state)
{
	struct fixture *f = *state;
	fixture_fill(f, f->inbox, 100, 0);
	struct index *x = look(f, f->inbox, 0);
	fixture_fill(f, f->inbox, 10, 0);
	assert_ptr_equal(hash_find_u32(f->account->indexes, f->inbox), x);
	for (int i = 0; i < 4; i++)
		fixture_fill(f, f->inbox, 2000, 0);
	struct index *now = hash_find_u32(f->account->indexes, f->inbox);
	assert_true(!now || now->touched < 4000);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		FIXTURE_TEST(rows_stay_until_they_are_worn),
		FIXTURE_TEST(what_is_left_behind_is_checkpointed),
		FIXTURE_TEST(mailboxes_are_kept_in_a_bounded_number),
		FIXTURE_TEST(rows_are_kept_in_a_bounded_number),
		FIXTURE_TEST(idle_rows_that_grow_are_given_up),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
