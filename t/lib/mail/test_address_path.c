/* Paths of MAIL and RCPT: what is taken, how it is spelled afterwards, what is refused. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/array.h"
#include "mail/address.h"

enum { N = ADDRESS_NULL_OK, U = ADDRESS_UTF8_OK, B = ADDRESS_BARE_OK, D = ADDRESS_NO_DOMAIN_OK };

#define L64 "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"

static const struct {
	const char *text;
	unsigned flags;
	const char *want; /* canonical spelling; NULL: refused */
	size_t used;      /* 0: all */
} rows[] = {
	{"<a@b>", 0, "a@b", 0},
	{"  <a@b> SIZE=1", 0, "a@b", 7},
	{"<Ann.Example@Example.ORG>", 0, "Ann.Example@example.org", 0},
	{"<>", N, "", 0},
	{"<> BODY=8BITMIME", N, "", 2},
	{"<>", 0, NULL, 0},
	{"<@a.example,@b.example:user@c.example>", 0, "user@c.example", 0},
	{"<@a.example:>", 0, NULL, 0},
	{"<@a.example user@c.example>", 0, NULL, 0},
	{"<\"a b\"@c>", 0, "\"a b\"@c", 0},
	{"<\"ab\"@c>", 0, "ab@c", 0},
	{"<\"a\\\"b\\\\\"@c>", 0, "\"a\\\"b\\\\\"@c", 0},
	{"<\"a>b\"@c>", 0, "\"a>b\"@c", 0},
	{"<\"\"@c>", 0, "\"\"@c", 0},
	{"<\"a\rb\"@c>", 0, NULL, 0},
	{"<\"a@c>", 0, NULL, 0},
	{"<a@[192.0.2.1]>", 0, "a@[192.0.2.1]", 0},
	{"<a@[ipv6:2001:DB8::1]>", 0, "a@[IPv6:2001:db8::1]", 0},
	{"<a@[192.0.2.256]>", 0, NULL, 0},
	{"<a@[x]>", 0, NULL, 0},
	{"<a@[192.0.2.1>", 0, NULL, 0},
	{"<postmaster>", D, "postmaster", 0},
	{"<postmaster>", 0, NULL, 0},
	{"a@b", B, "a@b", 0},
	{"a@b SIZE=1", B, "a@b", 3},
	{"a@b", 0, NULL, 0},
	{"<a@b", 0, NULL, 0},
	{"<a@b>x", 0, NULL, 0},
	{"<a b@c>", 0, NULL, 0},
	{"<a..b@c>", 0, NULL, 0},
	{"<.a@c>", 0, NULL, 0},
	{"<a.@c>", 0, NULL, 0},
	{"<a@>", 0, NULL, 0},
	{"<@b>", 0, NULL, 0},
	{"<a@b..c>", 0, NULL, 0},
	{"<a@b.>", 0, NULL, 0},
	{"<a@-b>", 0, NULL, 0},
	{"<a@b@c>", 0, NULL, 0},
	{"<a,b@c>", 0, NULL, 0},
	{"", N | B | D, NULL, 0},
	{"<", N | B | D, NULL, 0},
	{"<j\xc3\xb6rg@b\xc3\xbc.example>", U, "j\xc3\xb6rg@b\xc3\xbc.example", 0},
	{"<j\xc3\xb6rg@example.org>", 0, NULL, 0},
	{"<j\xf6rg@example.org>", U, NULL, 0},
	{"<" L64 "@c>", 0, L64 "@c", 0},
	{"<" L64 L64 L64 L64 "@c>", 0, NULL, 0},
	{"<a@" L64 ".example>", 0, NULL, 0},
};

static void paths(void **state)
{
	(void)state;
	for (size_t i = 0; i < COUNT_OF(rows); i++) {
		struct pool *pool = pool_new("test");
		struct address a;
		const char *err = NULL;
		size_t used = 0;
		struct span text = span_of(rows[i].text);
		int rc = address_parse_path(text, rows[i].flags, pool, &a, &used, &err);
		if (rc == 0 && rows[i].want) {
			assert_string_equal(address_text(pool, &a), rows[i].want);
			assert_int_equal(used, rows[i].used ? rows[i].used : text.n);
		} else if (rc == 0 || rows[i].want) {
			fail_msg("row %zu: %s: %s", i, rows[i].text, err ? err : "was taken");
		} else {
			assert_non_null(err);
			assert_int_equal(err[strlen(err) - 1], '.');
		}
		pool_free(&pool);
	}
}

/* What address_put() writes, address_parse() reads as the same. */
static void spelling_is_stable(void **state)
{
	static const struct address all[] = {{"a", "b"}, {"a b", "c"}, {"a\"\\", "c"}, {".a", "c"},
		{"a..b", "c"}, {"", "c"}, {"<>", "[192.0.2.1]"}, {"postmaster", ""}, {"", ""}};
	(void)state;
	for (size_t i = 0; i < COUNT_OF(all); i++) {
		struct pool *pool = pool_new("test");
		struct address a;
		const char *err;
		char *text = address_text(pool, &all[i]);
		assert_int_equal(0, address_parse(span_of(text), N | D, pool, &a, &err));
		assert_true(address_eq(&a, &all[i]));
		assert_int_equal(address_is_null(&a), i == 8);
		pool_free(&pool);
	}
}

static void details(void **state)
{
	static const struct {
		const char *local, *user, *detail;
	} splits[] = {{"ann", "ann", NULL}, {"ann+x", "ann", "x"}, {"ann+", "ann", ""},
		{"+x", "+x", NULL}, {"a+b+c", "a", "b+c"}, {"", "", NULL}};
	(void)state;
	for (size_t i = 0; i < COUNT_OF(splits); i++) {
		struct span user, detail;
		address_split_detail(span_of(splits[i].local), '+', &user, &detail);
		assert_true(span_is(user, splits[i].user));
		assert_int_equal(detail.p == NULL, splits[i].detail == NULL);
		assert_true(!splits[i].detail || span_is(detail, splits[i].detail));
	}
}

static void keys_are_lower_case(void **state)
{
	struct str key = STR_INIT;
	struct address a = {"Ann.X", "example.org"};
	(void)state;
	address_put_key(&key, &a);
	assert_string_equal(key.s, "ann.x@example.org");
	assert_false(address_is_utf8(&a));
	str_fini(&key);
}

int main(void)
{
	const struct CMUnitTest tests[] = {cmocka_unit_test(paths),
		cmocka_unit_test(spelling_is_stable), cmocka_unit_test(details),
		cmocka_unit_test(keys_are_lower_case)};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
