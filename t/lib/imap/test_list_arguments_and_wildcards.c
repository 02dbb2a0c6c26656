#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "base/str.h"
#include "imap/list.h"

static const struct {
	const char *in;
	bool ok;
	const char *patterns;
	unsigned select, ret, status;
} rows[] = {
	{"\"\" *", true, "*", 0, 0, 0},
	{"a/ %", true, "a/%", 0, 0, 0},
	{"a/ /%", true, "%", 0, 0, 0},
	{"\"\" inbox", true, "INBOX", 0, 0, 0},
	{"\"\" &bad", true, "", 0, 0, 0},
	{"(SUBSCRIBED) \"\" * RETURN (CHILDREN STATUS (UNSEEN MESSAGES))", true, "*",
		LIST_SUBSCRIBED, LIST_CHILDREN, STATUS_UNSEEN | STATUS_MESSAGES},
	{"() \"\" (a \"b c\" %) RETURN ()", true, "a,b c,%", 0, 0, 0},
	{"(SPECIAL-USE REMOTE) \"\" *", true, "*", LIST_SPECIAL_USE, 0, 0},
	{"\"\" * RETURN (SPECIAL-USE SUBSCRIBED)", true, "*", 0, LIST_SPECIAL_USE | LIST_SUBSCRIBED,
		0},
	{"(RECURSIVEMATCH) \"\" *", false, "", 0, 0, 0},
	{"(RECURSIVEMATCH SUBSCRIBED) \"\" *", true, "*", LIST_RECURSIVE | LIST_SUBSCRIBED, 0, 0},
	{"(FOO) \"\" *", false, "", 0, 0, 0},
	{"(CHILDREN) \"\" *", false, "", 0, 0, 0},
	{"\"\" * RETURN (FOO)", false, "", 0, 0, 0},
	{"\"\" * RETURN (STATUS ())", false, "", 0, 0, 0},
	{"\"\"", false, "", 0, 0, 0},
	{"\"\" * x", false, "", 0, 0, 0},
	{"\"\" ()", false, "", 0, 0, 0},
};

static void arguments_of_list(void **state)
{
	struct pool *pool = pool_new("test");

	(void)state;
	for (size_t i = 0; i < COUNT_OF(rows); i++) {
		struct imap_parse c;
		struct imap_list l;
		struct str out = STR_IN(pool);
		imap_parse_init(&c, span_of(rows[i].in), pool);
		bool ok = imap_parse_list(&c, false, &l);
		if (ok != rows[i].ok)
			fail_msg("%s: %s", rows[i].in, c.err ? c.err : "taken");
		if (!ok)
			continue;
		for (size_t k = 0; k < l.npatterns; k++)
			str_printf(&out, "%s%s", k ? "," : "", l.patterns[k]);
		assert_string_equal(str_c(&out), rows[i].patterns);
		assert_int_equal(l.select, rows[i].select);
		assert_int_equal(l.ret, rows[i].ret);
		assert_int_equal(l.status, rows[i].status);
	}
	pool_free(&pool);
}

static const struct {
	const char *pattern, *name;
	bool match;
} matches[] = {
	{"*", "", true},
	{"*", "a/b", true},
	{"%", "a", true},
	{"%", "a/b", false},
	{"a/%", "a/b", true},
	{"a/%", "a/b/c", false},
	{"a/%", "a", false},
	{"%/%", "a/b", true},
	{"*%", "a/b", true},
	{"%*", "a/b", true},
	{"%%", "a/b", false},
	{"*b", "a/b", true},
	{"%b%", "abc", true},
	{"*a%c", "a/xabc", true},
	{"*a%c", "a/c", false},
	{"inbox", "INBOX", true},
	{"inb%", "INBOX", true},
	{"INBOX/X", "INBOX/x", false},
	{"inbox/x", "INBOX/x", true},
	{"inboxy", "INBOXY", false},
	{"A", "a", false},
	{"", "", true},
	{"", "a", false},
	{"a", "ab", false},
	{"ab", "a", false},
};

static void wildcards(void **state)
{
	struct pool *pool = pool_new("test");

	(void)state;
	for (size_t i = 0; i < COUNT_OF(matches); i++)
		if (pattern_match(pattern_new(pool, matches[i].pattern), matches[i].name) !=
			matches[i].match)
			fail_msg("%s and %s", matches[i].pattern, matches[i].name);
	pool_free(&pool);
}

/* What makes backtracking matchers exponential: ends at once here. */
static void hostile_patterns_are_cheap(void **state)
{
	struct pool *pool = pool_new("test");
	struct str text = STR_IN(pool), name = STR_IN(pool);

	(void)state;
	for (int i = 0; i < 490; i++)
		str_puts(&text, i % 2 ? "a*" : "a%");
	str_putc(&text, 'b');
	for (int i = 0; i < 1000; i++)
		str_putc(&name, 'a');
	struct pattern *p = pattern_new(pool, str_c(&text));
	for (int i = 0; i < 20; i++)
		assert_false(pattern_match(p, str_c(&name)));
	pool_free(&pool);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(arguments_of_list),
		cmocka_unit_test(wildcards),
		cmocka_unit_test(hostile_patterns_are_cheap),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
