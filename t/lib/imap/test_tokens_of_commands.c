#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "imap/parse.h"
#include "base/str.h"

typedef bool (*token_fn)(struct imap_parse *c, struct span *s_r);

static const struct {
	token_fn fn;
	const char *in, *out; /* out NULL: refused */
	const char *rest;
} rows[] = {
	{imap_parse_tag, "a1 x", "a1", " x"},
	{imap_parse_tag, "+ x", NULL, ""},
	{imap_parse_tag, " x", NULL, ""},
	{imap_parse_atom, "abc]d", "abc", "]d"},
	{imap_parse_atom, "", NULL, ""},
	{imap_parse_atom, "\x80", NULL, ""},
	{imap_parse_astring, "abc]d e", "abc]d", " e"},
	{imap_parse_astring, "\"a b\" c", "a b", " c"},
	{imap_parse_astring, "\"\"", "", ""},
	{imap_parse_astring, "\"a\\\"\\\\b\"x", "a\"\\b", "x"},
	{imap_parse_astring, "\"a\\n\"", NULL, ""},
	{imap_parse_astring, "\"abc", NULL, ""},
	{imap_parse_astring, "\"abc\\", NULL, ""},
	{imap_parse_astring, "{3}\r\na\"b c", "a\"b", " c"},
	{imap_parse_astring, "{3+}\r\n\r\n)x", "\r\n)", "x"},
	{imap_parse_astring, "{4}\r\nabc", NULL, ""},
	{imap_parse_astring, "{}\r\nabc", NULL, ""},
	{imap_parse_astring, "{3}abc", NULL, ""},
	{imap_parse_astring, "{18446744073709551615}\r\nabc", NULL, ""},
	{imap_parse_astring, "*", NULL, ""},
	{imap_parse_list_mailbox, "a*%] x", "a*%]", " x"},
	{imap_parse_string, "abc", NULL, ""},
	{imap_parse_nstring, "nil)", NULL, ")"},
};

static void tokens_are_taken_off_exactly(void **state)
{
	struct pool *pool = pool_new("test");

	(void)state;
	for (size_t i = 0; i < COUNT_OF(rows); i++) {
		struct imap_parse c;
		struct span s;
		imap_parse_init(&c, span_of(rows[i].in), pool);
		bool ok = rows[i].fn(&c, &s);
		assert_int_equal(ok, rows[i].out != NULL || rows[i].fn == imap_parse_nstring);
		assert_int_equal(c.err == NULL, ok);
		if (ok && rows[i].out)
			assert_true(span_is(s, rows[i].out));
		if (ok)
			assert_true(span_is(span_make(c.p, (size_t)(c.end - c.p)), rows[i].rest));
	}
	pool_free(&pool);
}

static const struct {
	const char *wire;
	char separator;
	const char *name;
} names[] = {
	{"inbox", '/', "INBOX"},
	{"Inbox/x", '/', "INBOX/x"},
	{"inbox.x", '/', "inbox.x"},
	{"inbox.x", '.', "INBOX/x"},
	{"inboxx", '/', "inboxx"},
	{"a/b", '.', NULL},
	{"a.b", '.', "a/b"},
	{"Entw&APw-rfe", '/', "Entwürfe"},
	{"&bad", '/', NULL},
};

static void mailbox_names_come_out_in_one_form(void **state)
{
	struct pool *pool = pool_new("test");

	(void)state;
	for (size_t i = 0; i < COUNT_OF(names); i++) {
		struct imap_parse c;
		const char *name;
		imap_parse_init(&c, span_of(names[i].wire), pool);
		c.separator = names[i].separator;
		assert_int_equal(imap_parse_mailbox(&c, &name), names[i].name != NULL);
		if (names[i].name)
			assert_string_equal(name, names[i].name);
	}
	pool_free(&pool);
}

static const struct {
	const char *in;
	bool ok;
	unsigned flags;
	size_t nkeywords;
} flags[] = {
	{"()", true, 0, 0},
	{"(\\seen \\Deleted)", true, IMAP_SEEN | IMAP_DELETED, 0},
	{"($Forwarded \\Flagged Junk junk)", true, IMAP_FLAGGED, 2},
	{"(\\Nope)", false, 0, 0},
	{"(\\*)", false, 0, 0},
	{"(a  b)", false, 0, 0},
	{"(a b", false, 0, 0},
	{"( a)", false, 0, 0},
	{"a b", true, 0, 2},
	{"\\Seen", true, IMAP_SEEN, 0},
	{"\\Seen ", false, 0, 0},
	{"", false, 0, 0},
};

static void flags_are_known_or_keywords(void **state)
{
	struct pool *pool = pool_new("test");

	(void)state;
	for (size_t i = 0; i < COUNT_OF(flags); i++) {
		struct imap_parse c;
		struct imap_flag_list list;
		imap_parse_init(&c, span_of(flags[i].in), pool);
		assert_int_equal(imap_parse_store_flags(&c, &list), flags[i].ok);
		if (flags[i].ok) {
			assert_int_equal(list.flags, flags[i].flags);
			assert_int_equal(list.nkeywords, flags[i].nkeywords);
		}
	}
	pool_free(&pool);
}

static const struct {
	const char *in;
	bool ok;
	int64_t day;
} dates[] = {
	{"1-Jan-1970", true, 0},
	{"\"17-jul-1996\"", true, 9694},
	{"01-Feb-1970 x", true, 31},
	{"0-Jan-1970", false, 0},
	{"32-Jan-1970", false, 0},
	{"1-Jan-70", false, 0},
	{"1-Foo-1970", false, 0},
	{"1-Jan-19700", false, 0},
};

static void dates_are_days(void **state)
{
	struct pool *pool = pool_new("test");

	(void)state;
	for (size_t i = 0; i < COUNT_OF(dates); i++) {
		struct imap_parse c;
		int64_t day = -1;
		imap_parse_init(&c, span_of(dates[i].in), pool);
		assert_int_equal(imap_parse_date(&c, &day), dates[i].ok);
		if (dates[i].ok)
			assert_int_equal(day, dates[i].day);
	}
	pool_free(&pool);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(tokens_are_taken_off_exactly),
		cmocka_unit_test(mailbox_names_come_out_in_one_form),
		cmocka_unit_test(flags_are_known_or_keywords),
		cmocka_unit_test(dates_are_days),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
