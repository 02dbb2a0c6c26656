#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "base/array.h"
#include "base/wire.h"

static const uint64_t values[] = {0, 1, 127, 128, 16383, 16384, UINT32_MAX, UINT64_MAX};

static void what_is_written_is_read(void **state)
{
	struct pool *pool = pool_new("test");
	struct str s = STR_INIT;
	(void)state;
	put_u8(&s, 200);
	put_u16(&s, 60000);
	put_u32(&s, 4000000000u);
	put_u64(&s, UINT64_MAX - 1);
	for (size_t i = 0; i < COUNT_OF(values); i++)
		put_varint(&s, values[i]);
	put_blob(&s, SPAN_LIT("a\0b"));
	put_cstr(&s, "text");
	put_cstr(&s, "");
	set_u32(&s, 3, 7);
	for (size_t cut = 0; cut <= s.len; cut++) {
		struct reader r = reader_of(span_make(s.s, cut));
		uint8_t a = get_u8(&r);
		uint16_t b = get_u16(&r);
		uint32_t c = get_u32(&r);
		uint64_t d = get_u64(&r), v[COUNT_OF(values)];
		for (size_t i = 0; i < COUNT_OF(values); i++)
			v[i] = get_varint(&r);
		struct span blob = get_blob(&r);
		const char *text = get_cstr(&r, pool);
		const char *empty = get_cstr(&r, pool);
		assert_int_equal(r.bad, cut < s.len);
		if (r.bad)
			continue;
		assert_int_equal(a, 200);
		assert_int_equal(b, 60000);
		assert_int_equal(c, 7);
		assert_int_equal(d, UINT64_MAX - 1);
		assert_memory_equal(v, values, sizeof(values));
		assert_true(span_eq(blob, SPAN_LIT("a\0b")));
		assert_string_equal(text, "text");
		assert_string_equal(empty, "");
		assert_int_equal(reader_left(&r), 0);
	}
	str_fini(&s);
	pool_free(&pool);
}

static void hostile_lengths_are_refused(void **state)
{
	struct pool *pool = pool_new("test");
	(void)state;
	struct reader r = reader_of(SPAN_LIT("\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01"));
	get_varint(&r);
	assert_true(r.bad); /* eleven bytes, and past 64 bits */
	r = reader_of(SPAN_LIT("\xff\xff\xff\xff\xff\xff\xff\xff\x7f" "abc"));
	assert_int_equal(get_blob(&r).n, 0);
	assert_true(r.bad);
	r = reader_of(SPAN_LIT("\x03" "a\0b"));
	get_cstr(&r, pool);
	assert_true(r.bad); /* a NUL inside text */
	assert_int_equal(get_u8(&r), 0);
	pool_free(&pool);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(what_is_written_is_read),
		cmocka_unit_test(hostile_lengths_are_refused),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
