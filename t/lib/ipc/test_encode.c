/* A payload comes back as it was put, and a malformed one is refused with a sentence. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "base/array.h"
#include "base/codec.h"
#include "base/wire.h"
#include "table.h"

static void every_field_comes_back(void **state)
{
	struct leaf leaves[] = {{"oak", 1}, {"", UINT32_MAX}, {NULL, 0}};
	struct branch branches[] = {{true, {leaves, 3}}, {false, {NULL, 0}}};
	struct tree in = {7, UINT64_MAX, true, "beech", SPAN_LIT("a\0b"), {branches, 2}}, out;
	struct str bytes = STR_INIT;
	struct pool *pool = pool_new("test");
	const char *err;
	(void)state;

	ipc_put(&bytes, &tree_msg, &in);
	assert_int_equal(ipc_parse(pool, &tree_msg, str_span(&bytes), &out, &err), 0);
	assert_int_equal(out.height, 7);
	assert_true(out.age == UINT64_MAX && out.alive);
	assert_string_equal(out.name, "beech");
	assert_true(span_eq(out.sap, in.sap));
	assert_int_equal(out.branches.n, 2);
	const struct branch *b = out.branches.v;
	const struct leaf *l = b[0].leaves.v;
	assert_true(b[0].green && !b[1].green);
	assert_int_equal(b[0].leaves.n, 3);
	assert_int_equal(b[1].leaves.n, 0);
	assert_string_equal(l[0].word, "oak");
	assert_int_equal(l[1].weight, UINT32_MAX);
	assert_string_equal(l[2].word, "");

	/* Every shorter payload is malformed, and so is a longer one. */
	for (size_t n = 0; n < bytes.len; n++)
		assert_int_equal(
			ipc_parse(pool, &tree_msg, span_make(bytes.s, n), &out, &err), -1);
	str_putc(&bytes, 'x');
	assert_int_equal(ipc_parse(pool, &tree_msg, str_span(&bytes), &out, &err), -1);
	assert_string_equal(err, "Message tree has 1 bytes too many.");
	str_fini(&bytes);
	pool_free(&pool);
}

static const struct {
	const char *hex, *err;
} rows[] = {
	{"", "Field height of message tree is malformed."},
	{"01000000 0000000000000000 02", "Field alive of message tree is malformed."},
	{"01000000 0000000000000000 01 02 6100", "Field name of message tree is malformed."},
	{"01000000 0000000000000000 01 05 6161", "Field name of message tree is malformed."},
	{"01000000 0000000000000000 01 00 00 7f", "Field branches of message tree is malformed."},
	{"01000000 0000000000000000 01 00 00 ffffffffffffffffff01",
		"Field branches of message tree is malformed."},
	{"01000000 0000000000000000 01 00 00 01 00 02 00 01000000",
		"Field word of message tree is malformed."},
	{"01000000 0000000000000000 01 00 00 00", NULL},
	{"01000000 0000000000000000 01 00 00 01 00 01 00 01000000", NULL},
};

static void malformed_payloads_are_refused(void **state)
{
	(void)state;
	for (size_t i = 0; i < COUNT_OF(rows); i++) {
		struct str hex = STR_INIT, bytes = STR_INIT;
		struct pool *pool = pool_new("test");
		const char *err = NULL;
		struct tree out;
		for (const char *p = rows[i].hex; *p; p++)
			if (*p != ' ')
				str_putc(&hex, *p);
		if (hex.len)
			assert_true(hex_parse(&bytes, str_span(&hex)));
		int rc = ipc_parse(pool, &tree_msg, str_span(&bytes), &out, &err);
		assert_int_equal(rc, rows[i].err ? -1 : 0);
		if (rows[i].err)
			assert_string_equal(err, rows[i].err);
		pool_free(&pool);
		str_fini(&hex);
		str_fini(&bytes);
	}
}

/* One byte more than IPC_ITEMS_MAX elements: the count alone refuses it. */
static void a_list_has_a_limit(void **state)
{
	struct str bytes = STR_INIT;
	struct pool *pool = pool_new("test");
	const char *err;
	struct branch out;
	(void)state;

	for (size_t n = IPC_ITEMS_MAX; n <= IPC_ITEMS_MAX + 1; n++) {
		str_reset(&bytes);
		put_u8(&bytes, 1);
		put_varint(&bytes, n);
		for (size_t i = 0; i < n * 5; i++)
			str_putc(&bytes, 0);
		assert_int_equal(ipc_parse(pool, &branch_msg, str_span(&bytes), &out, &err),
			n > IPC_ITEMS_MAX ? -1 : 0);
	}
	str_fini(&bytes);
	pool_free(&pool);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(every_field_comes_back),
		cmocka_unit_test(malformed_payloads_are_refused),
		cmocka_unit_test(a_list_has_a_limit),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
