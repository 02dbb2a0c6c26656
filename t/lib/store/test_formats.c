/* Records, operations, ranges, heads of blobs, remembered deliveries: written and read back, and
 * refused when wrong. */
#include "store/checkpoint.h"
#include "store/record.h"
#include "store/seen.h"
#include "t/lib/store/fixture.h"

static void a_record(struct str *bytes, struct record *r)
{
	*r = (struct record){.at = 4096,
		.sequence = 77,
		.floor = 4000,
		.time_us = -5,
		.chain = 9,
		.class = RECORD_LAZY};
	record_start(bytes, "S1", "trace");
	op_put_delete(bytes, 12);
	record_finish(bytes, 5, r);
}

static void records_come_back(void **state)
{
	(void)state;
	struct str bytes = STR_INIT;
	struct record in, out;
	a_record(&bytes, &in);
	assert_int_equal(bytes.len % 8, 0);
	assert_int_equal(record_parse(str_span(&bytes), 5, 4096, &out), 1);
	assert_int_equal(out.sequence, 77);
	assert_int_equal(out.floor, 4000);
	assert_int_equal(out.time_us, -5);
	assert_int_equal(out.chain, 9);
	assert_int_equal(out.crc, in.crc);
	assert_int_equal(out.class, RECORD_LAZY);
	assert_true(span_is(out.actor, "S1") && span_is(out.trace, "trace"));
	struct op op;
	uint32_t id;
	assert_int_equal(op_next(&out.ops, &op), 1);
	assert_int_equal(op.kind, OP_DELETE);
	assert_int_equal(op_parse_delete(op.body, &id), 0);
	assert_int_equal(id, 12);
	assert_int_equal(op_next(&out.ops, &op), 0);
	str_fini(&bytes);
}

/* At another place, with another salt, shorter, or with any bit changed it is none. */
static void anything_else_is_no_record(void **state)
{
	(void)state;
	struct str bytes = STR_INIT;
	struct record in, out;
	a_record(&bytes, &in);
	struct span whole = str_span(&bytes);
	assert_int_equal(record_parse(whole, 6, 4096, &out), 0);
	assert_int_equal(record_parse(whole, 5, 4104, &out), 0);
	for (size_t n = 0; n < whole.n; n++)
		assert_int_equal(record_parse(span_make(whole.p, n), 5, 4096, &out), 0);
	for (size_t bit = 0; bit < whole.n * 8; bit++) {
		bytes.s[bit / 8] ^= (char)(1 << bit % 8);
		assert_int_equal(record_parse(whole, 5, 4096, &out), 0);
		bytes.s[bit / 8] ^= (char)(1 << bit % 8);
	}
	str_fini(&bytes);
}

static void ranges_come_back(void **state)
{
	(void)state;
	static const uint32_t rows[][2] = {{1, 1}, {2, 5}, {7, 300}, {70000, UINT32_MAX}};
	struct str bytes = STR_INIT;
	uint32_t last = 0, from, to;
	for (size_t i = 0; i < COUNT_OF(rows); i++)
		op_put_range(&bytes, &last, rows[i][0], rows[i][1]);
	struct span rest = str_span(&bytes);
	last = 0;
	for (size_t i = 0; i < COUNT_OF(rows); i++) {
		assert_int_equal(op_range_next(&rest, &last, &from, &to), 1);
		assert_int_equal(from, rows[i][0]);
		assert_int_equal(to, rows[i][1]);
	}
	assert_int_equal(op_range_next(&rest, &last, &from, &to), 0);
	str_fini(&bytes);
}

static void ranges_that_do_not_ascend_are_damage(void **state)
{
	(void)state;
	static const struct {
		const char *bytes;
		size_t n;
	} rows[] = {
		{"\0\0", 2},		       /* UID 0 */
		{"\5", 1},		       /* half a range */
		{"\xff\xff\xff\xff\x1f\0", 6}, /* past 2^32 */
		{"\1\xff\xff\xff\xff\x0f", 6}, /* up to past 2^32 */
		{"\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01\0", 11},
	};
	for (size_t i = 0; i < COUNT_OF(rows); i++) {
		struct span rest = span_make(rows[i].bytes, rows[i].n);
		uint32_t last = 0, from, to;
		assert_int_equal(op_range_next(&rest, &last, &from, &to), -1);
	}
}

static void rows_come_back(void **state)
{
	(void)state;
	struct str bytes = STR_INIT;
	const unsigned char seen[OP_SEEN_SIZE] = "0123456789abcdef";
	struct op_row in =
			      {
				      .size = 1234567,
				      .header_size = 999,
				      .flags = 21,
				      .keywords = UINT64_MAX,
				      .internal_date = -1,
				      .zone = -720,
				      .sent_date = (uint64_t)INT64_MIN,
				      .pack = UINT64_MAX,
				      .pack_at = 1,
				      .seen = seen,
				      .summary = SPAN_LIT("summary"),
			      },
		      out;
	op_put_row(&bytes, &in);
	in.seen = NULL;
	in.summary = span_make(NULL, 0);
	in.summary_at = 5;
	in.summary_size = 6;
	op_put_row(&bytes, &in);
	struct span rest = str_span(&bytes);
	assert_int_equal(op_row_next(&rest, &out), 1);
	assert_int_equal(out.size, 1234567);
	assert_int_equal(out.keywords, UINT64_MAX);
	assert_int_equal(out.internal_date, -1);
	assert_int_equal(out.zone, -720);
	assert_int_equal(out.sent_date, (uint64_t)INT64_MIN);
	assert_int_equal(out.pack, UINT64_MAX);
	assert_memory_equal(out.seen, seen, sizeof(seen));
	assert_true(span_is(out.summary, "summary"));
	assert_int_equal(op_row_next(&rest, &out), 1);
	assert_null(out.seen);
	assert_null(out.summary.p);
	assert_int_equal(out.summary_at, 5);
	assert_int_equal(op_row_next(&rest, &out), 0);
	for (size_t n = 1; n < 30; n++) {
		rest = span_make(bytes.s, n);
		assert_int_equal(op_row_next(&rest, &out), -1);
	}
	str_fini(&bytes);
}

static void checkpoints_are_one_accounts_and_whole(void **state)
{
	(void)state;
	char header[CHECKPOINT_HEADER];
	struct checkpoint in = {.at = 1,
				  .sequence = 2,
				  .mailbox = 3,
				  .count = 4,
				  .changes = 5,
				  .body_crc = 6},
			  out;
	checkpoint_put(&in, INDEX_MAGIC, "a1", header);
	struct span bytes = span_make(header, sizeof(header));
	assert_int_equal(checkpoint_parse(&out, INDEX_MAGIC, "a1", bytes), 0);
	assert_memory_equal(&in, &out, offsetof(struct checkpoint, body_crc) + sizeof(in.body_crc));
	assert_int_equal(checkpoint_parse(&out, INDEX_MAGIC, "a2", bytes), -1);
	assert_int_equal(checkpoint_parse(&out, TREE_MAGIC, "a1", bytes), -1);
	for (size_t i = 0; i < sizeof(header); i++) {
		header[i] ^= 1;
		assert_int_equal(checkpoint_parse(&out, INDEX_MAGIC, "a1", bytes), -1);
		header[i] ^= 1;
	}
}

static void deliveries_are_remembered_up_to_the_limits(void **state)
{
	(void)state;
	struct seen *s = seen_new(), *again = seen_new();
	unsigned char digest[OP_SEEN_SIZE];
	struct str bytes = STR_INIT;
	char id[32];
	uint32_t uid;
	int64_t now = 100000000;
	const uint32_t forgotten = 4 * SEEN_MAX, old = forgotten + 500,
		       count = forgotten + SEEN_MAX;
	for (uint32_t i = 0; i < count; i++) {
		snprintf(id, sizeof(id), "delivery %u", i);
		seen_digest(id, digest);
		assert_int_equal(seen_find(s, digest, &uid), 0);
		seen_add(s, digest, i < old ? now - SEEN_SECONDS - 1 : now, i,
			i < count - 100 ? 0 : 640);
	}
	seen_put(s, now, 640, &bytes);
	struct reader in = reader_of(str_span(&bytes));
	assert_int_equal(seen_parse(again, &in), 0);
	for (uint32_t i = 0; i < count; i++) {
		snprintf(id, sizeof(id), "delivery %u", i);
		seen_digest(id, digest);
		assert_int_equal(
			seen_find(s, digest, &uid), i >= forgotten); /* the oldest make room */
		/* Not stored: what is too old, and what the checkpoint does not cover. */
		assert_int_equal(seen_find(again, digest, &uid), i >= old && i < count - 100);
	}
	str_fini(&bytes);
	seen_free(&s);
	seen_free(&again);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(records_come_back),
		cmocka_unit_test(anything_else_is_no_record),
		cmocka_unit_test(ranges_come_back),
		cmocka_unit_test(ranges_that_do_not_ascend_are_damage),
		cmocka_unit_test(rows_come_back),
		cmocka_unit_test(checkpoints_are_one_accounts_and_whole),
		cmocka_unit_test(deliveries_are_remembered_up_to_the_limits),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
