/* Content-Type and its kin: parameters in all their spellings. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/array.h"
#include "mail/param.h"

/* "type/subtype" and "name=value" of what is left, joined by '|'. */
static const struct {
	const char *value, *want;
} rows[] = {
	{"text/plain", "text/plain"},
	{"TEXT / HTML ; charset=\"utf-8\"", "TEXT/HTML|charset=utf-8"},
	{"text/plain; charset=us-ascii (comment); a=b", "text/plain|charset=us-ascii|a=b"},
	{"text/plain charset=x", "text/plain|charset=x"},
	{"(c) text/(d)plain;;; ;a=b;", "text/plain|a=b"},
	{"text/plain; name=\"a \\\"b\\\" ;c\"", "text/plain|name=a \"b\" ;c"},
	{"text/plain; name=a/b[1].txt; x=y", "text/plain|name=a/b[1].txt|x=y"},
	{"text/plain; name=\"open; x=y", "text/plain|name=open|x=y"},
	{"text/plain; name; x=y", "text/plain|x=y"},
	{"text/plain; =z; x=y", "text/plain|x=y"},
	{"text/plain; name=\"a\r\n b\"", "text/plain|name=a b"},
	{"text/plain; (((((; x=y", "text/plain|x=y"},
	{"a/b; n*0=x; n*1=y; n*2=z", "a/b|n=xyz"},
	{"a/b; n*2=z; n*0=x; m=1; n*1=y", "a/b|n=xyz|m=1"},
	{"a/b; n*0=x; n*2=z", "a/b|n=x|n*2=z"},
	{"a/b; n*0*=utf-8''%c3; n*1*=%a9; n*2=x", "a/b|n*=utf-8''%c3%a9x"},
	{"a/b; n*=utf-8''x", "a/b|n*=utf-8''x"},
	{"text", "/"},
	{"text/", "/"},
	{"/plain", "/"},
	{"", "/"},
	{"\"text/plain\"", "/"},
};

static void fields(void **state)
{
	(void)state;
	for (size_t i = 0; i < COUNT_OF(rows); i++) {
		struct pool *pool = pool_new("test");
		struct str out = STR_INIT;
		struct span type, subtype, rest;
		struct params params = {0};
		if (param_parse_type(span_of(rows[i].value), &type, &subtype, &rest))
			params_parse(rest, pool, &params);
		str_add_span(&out, type);
		str_putc(&out, '/');
		str_add_span(&out, subtype);
		for (size_t k = 0; k < params.n; k++) {
			str_putc(&out, '|');
			str_add_span(&out, params.v[k].name);
			str_putc(&out, '=');
			str_add_span(&out, params.v[k].value);
		}
		assert_string_equal(out.s, rows[i].want);
		str_fini(&out);
		pool_free(&pool);
	}
}

static const struct {
	const char *value, *want;
} names[] = {
	{"; filename=a.txt", "a.txt"},
	{"; filename*=iso-8859-1'de'%e4.txt", "\xc3\xa4.txt"},
	{"; filename*=utf-8''%C3%A4.txt; filename=x", "\xc3\xa4.txt"},
	{"; filename=\"=?utf-8?q?=C3=A4?=.txt\"", "\xc3\xa4.txt"},
	{"; filename*=nonsense%zz", "nonsense%zz"},
	{"; filename*0*=''%e4", "\xc3\xa4"},
	{"; name=x", NULL},
};

static void file_names(void **state)
{
	(void)state;
	for (size_t i = 0; i < COUNT_OF(names); i++) {
		struct pool *pool = pool_new("test");
		struct str out = STR_INIT;
		struct params params;
		params_parse(span_of(names[i].value), pool, &params);
		assert_int_equal(
			params_put_utf8(&params, "filename", &out), names[i].want != NULL);
		assert_string_equal(str_c(&out), names[i].want ? names[i].want : "");
		str_fini(&out);
		pool_free(&pool);
	}
}

static void counts_are_bounded(void **state)
{
	struct pool *pool = pool_new("test");
	struct str text = STR_INIT;
	struct params params;
	struct span value;
	(void)state;
	for (int i = 0; i < PARAM_MAX * 2; i++)
		str_printf(&text, "; n*%d=x", i);
	params_parse(str_span(&text), pool, &params);
	assert_int_equal(params.n, 1);
	str_reset(&text);
	str_puts(&text, "; long=\"");
	for (int i = 0; i < PARAM_VALUE_MAX * 2; i++)
		str_putc(&text, 'x');
	str_puts(&text, "\"; a=b");
	params_parse(str_span(&text), pool, &params);
	assert_int_equal(params_find(&params, "LONG", &value), 1);
	assert_int_equal(value.n, PARAM_VALUE_MAX);
	assert_int_equal(params_find(&params, "a", &value), 1);
	str_fini(&text);
	pool_free(&pool);
}

int main(void)
{
	const struct CMUnitTest tests[] = {cmocka_unit_test(fields), cmocka_unit_test(file_names),
		cmocka_unit_test(counts_are_bounded)};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
