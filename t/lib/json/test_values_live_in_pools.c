/* JSON values live in pools; what goes in comes out, and hostile text is an error, never a crash. */
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>

#include "base/array.h"
#include "json/json.h"

static void built_values_are_written(void **state)
{
	(void)state;
	struct pool *pool = pool_new("test");
	struct str out = STR_IN(pool);
	struct js *o = js_object(pool), *list;
	js_put(o, "text", "a\"b\n");
	js_put(o, "none", NULL);
	js_put_span(o, "bad", SPAN_LIT("x\xff\0y"));
	js_put_num(o, "n", -5);
	js_put_bool(o, "yes", true);
	list = js_put_list(o, "list");
	js_add(list, "one");
	js_put_num(js_add_object(list), "two", 2);
	js_add_num(list, 3);
	js_put(js_put_object(o, "in"), "k", "v");
	js_write(&out, o, false);
	assert_string_equal(str_c(&out),
		"{\"text\":\"a\\\"b\\n\",\"none\":null,\"bad\":\"x\xef\xbf\xbd\\u0000y\",\"n\":-5,"
		"\"yes\":true,\"list\":[\"one\",{\"two\":2},3],\"in\":{\"k\":\"v\"}}");
	pool_free(&pool);
}

static void values_are_read(void **state)
{
	(void)state;
	struct pool *pool = pool_new("test");
	struct js *v;
	const char *err, *key;
	struct js *member;
	size_t n = 0;
	assert_int_equal(js_parse(pool, SPAN_LIT("{\"a\":[1,\"x\",false],\"b\":null}"), &v, &err), 0);
	assert_int_equal(js_type(v), JS_OBJECT);
	assert_int_equal(js_count(js_get(v, "a")), 3);
	assert_int_equal(js_num(js_at(js_get(v, "a"), 0)), 1);
	assert_string_equal(js_str(js_at(js_get(v, "a"), 1)), "x");
	assert_false(js_bool(js_at(js_get(v, "a"), 2)));
	assert_null(js_at(js_get(v, "a"), 3));
	assert_null(js_get(v, "c"));
	assert_null(js_str(js_get(v, "b")));
	assert_int_equal(js_type(NULL), JS_NULL);
	for (void *at = NULL; js_next(v, &at, &key, &member);)
		n++;
	assert_int_equal(n, 2);
	pool_free(&pool);
}

static const struct span bad[] = {
	SPAN_LIT(""),
	SPAN_LIT("{"),
	SPAN_LIT("{} x"),
	SPAN_LIT("{\"a\":1,\"a\":2}"),
	SPAN_LIT("\"\xff\""),
	SPAN_LIT("nul"),
};

static void bad_text_is_an_error(void **state)
{
	(void)state;
	for (size_t i = 0; i < COUNT_OF(bad); i++) {
		struct pool *pool = pool_new("test");
		struct js *v;
		const char *err = NULL;
		assert_int_equal(js_parse(pool, bad[i], &v, &err), -1);
		assert_non_null(err);
		assert_null(v);
		pool_free(&pool);
	}
}

static void nesting_has_a_limit(void **state)
{
	(void)state;
	struct pool *pool = pool_new("test");
	struct str text = STR_IN(pool);
	struct js *v;
	const char *err;
	for (int i = 0; i < 1000000; i++)
		str_putc(&text, '[');
	assert_int_equal(js_parse(pool, str_span(&text), &v, &err), -1);
	pool_free(&pool);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(built_values_are_written),
		cmocka_unit_test(values_are_read),
		cmocka_unit_test(bad_text_is_an_error),
		cmocka_unit_test(nesting_has_a_limit),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
