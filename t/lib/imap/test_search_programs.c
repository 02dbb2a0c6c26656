#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "base/str.h"
#include "imap/search.h"

static void put_key(struct str *out, const struct search_key *k)
{
	static const char *const names[] = {"and", "or", "seq", "uid", "flag", "keyword", "smaller",
		"larger", "before", "on", "since", "sentbefore", "senton", "sentsince", "header",
		"address", "body", "text"};

	str_printf(out, "%s%s", k->negate ? "!" : "", names[k->op]);
	if (k->op == SEARCH_FLAG)
		str_printf(out, "=%u", k->flags);
	if (k->name)
		str_printf(out, "=%s", k->name);
	if (k->text.p)
		str_printf(out, ":%.*s", (int)k->text.n, k->text.p);
	if (k->child) {
		str_putc(out, '(');
		for (const struct search_key *m = k->child; m; m = m->next) {
			put_key(out, m);
			if (m->next)
				str_putc(out, ' ');
		}
		str_putc(out, ')');
	}
}

static const struct {
	const char *in, *out; /* NULL: refused */
} rows[] = {
	{"ALL", "and(and)"},
	{"UNSEEN", "and(!flag=1)"},
	{"new", "and(and(flag=32 !flag=1))"},
	{"OLD", "and(!flag=32)"},
	{"1:5,7 UID 1:*", "and(seq uid)"},
	{"* ", NULL},
	{"FROM bob", "and(address=From:bob)"},
	{"HEADER X-Foo \"\" TEXT {3}\r\na b", "and(header=X-Foo: text:a b)"},
	{"TEXT x SEEN", "and(flag=1 text:x)"},
	{"OR TEXT x SEEN FLAGGED", "and(flag=4 or(flag=1 text:x))"},
	{"OR SEEN OR FLAGGED DRAFT", "and(or(flag=1 flag=4 flag=16))"},
	{"NOT (SEEN FLAGGED)", "and(!and(and(flag=1 flag=4)))"},
	{"NOT NOT SEEN", "and(!and(!and(flag=1)))"},
	{"BEFORE 1-Feb-2001 SENTON \"1-Feb-2001\" LARGER 5", "and(before larger senton)"},
	{"KEYWORD $Forwarded UNKEYWORD x", "and(keyword:$Forwarded !keyword:x)"},
	{"CHARSET UTF-8 SUBJECT x", "and(header=Subject:x)"},
	{"CHARSET UTF-8", NULL},
	{"", NULL},
	{"()", NULL},
	{"(SEEN", NULL},
	{"SEEN)", NULL},
	{"FOO", NULL},
	{"OR SEEN", NULL},
	{"NOT", NULL},
	{"SMALLER x", NULL},
	{"BEFORE yesterday", NULL},
	{"SEEN  SEEN", NULL},
};

static bool parse(struct pool *pool, struct span in, struct search *s, const char **err_r)
{
	struct imap_parse c;

	imap_parse_init(&c, in, pool);
	bool ok = imap_parse_search(&c, s);
	*err_r = c.err;
	return ok;
}

static void programs_become_trees_with_cheap_keys_first(void **state)
{
	struct pool *pool = pool_new("test");

	(void)state;
	for (size_t i = 0; i < COUNT_OF(rows); i++) {
		struct search s;
		struct str out = STR_IN(pool);
		const char *err;
		bool ok = parse(pool, span_of(rows[i].in), &s, &err);
		if (ok != (rows[i].out != NULL))
			fail_msg("%s: %s", rows[i].in, err ? err : "taken");
		if (!ok)
			continue;
		put_key(&out, s.root);
		assert_string_equal(str_c(&out), rows[i].out);
	}
	pool_free(&pool);
}

/* n times prefix, then the end. */
static bool parse_repeated(const char *prefix, size_t n, const char *end)
{
	struct pool *pool = pool_new("test");
	struct str in = STR_IN(pool);
	struct search s;
	const char *err;

	for (size_t i = 0; i < n; i++)
		str_puts(&in, prefix);
	str_puts(&in, end);
	bool ok = parse(pool, str_span(&in), &s, &err);
	pool_free(&pool);
	return ok;
}

static void depth_and_count_are_limited(void **state)
{
	(void)state;
	assert_true(parse_repeated("NOT ", IMAP_DEPTH_MAX - 1, "ALL"));
	assert_false(parse_repeated("NOT ", IMAP_DEPTH_MAX, "ALL"));
	assert_false(parse_repeated("(", 60000, ""));
	assert_false(parse_repeated("OR ALL ", 10000, "ALL"));
	assert_true(parse_repeated("ALL ", IMAP_SEARCH_KEYS_MAX - 2, "ALL"));
	assert_false(parse_repeated("ALL ", IMAP_SEARCH_KEYS_MAX, "ALL"));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(programs_become_trees_with_cheap_keys_first),
		cmocka_unit_test(depth_and_count_are_limited),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
