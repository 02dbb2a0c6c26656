/* Address lists of header fields: every spelling people use yields what they meant. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/array.h"
#include "mail/address.h"

/* Items as "name|route|local|domain", '~' for absent, joined by "; "; "{name" and "}" for groups.
 */
static const struct {
	const char *text, *want;
} rows[] = {
	{"", ""},
	{"ann@example.org", "~|~|ann|example.org"},
	{"Ann Example <ann@example.org>", "Ann Example|~|ann|example.org"},
	{"\"Example, Ann\" <ann@example.org>, b@c", "Example, Ann|~|ann|example.org; ~|~|b|c"},
	{"\"A \\\"B\\\" C\"\r\n <a@b>", "A \"B\" C|~|a|b"},
	{"ann@example.org (Ann Example)", "Ann Example|~|ann|example.org"},
	{"Ann\r\n\tExample <ann@example.org>", "Ann Example|~|ann|example.org"},
	{"J. R. (Bob) Dobbs <bob@x>", "J. R. Dobbs|~|bob|x"},
	{"=?utf-8?q?=C3=84?= <a@b>", "=?utf-8?q?=C3=84?=|~|a|b"},
	{"<@a,@b:c@d>", "~|@a,@b|c|d"},
	{"john . doe @ example . org", "~|~|john.doe|example.org"},
	{"\"a b\"@c", "~|~|a b|c"},
	{"a@[192.0.2.1]", "~|~|a|[192.0.2.1]"},
	{"Friends: a@b, C <c@d>;, e@f", "{Friends; ~|~|a|b; C|~|c|d; }; ~|~|e|f"},
	{"undisclosed-recipients:;", "{undisclosed-recipients; }"},
	{"open: a@b", "{open; ~|~|a|b; }"},
	{"a@b; c@d", "~|~|a|b; ~|~|c|d"},
	{",,, ,a@b,,", "~|~|a|b"},
	{"root", "~|~|root|~"},
	{"Ann Example", "~|~|Ann Example|~"},
	{"Ann Example ann@example.org", "Ann Example|~|ann|example.org"},
	{"\"unclosed <a@b>, c@d", "\"unclosed|~|a|b; ~|~|c|d"},
	{"(unclosed a@b, c@d", "(unclosed|~|a|b; ~|~|c|d"},
	{"<>", ""},
	{"<a@b", "~|~|a|b"},
	{"<a@b>c@d, e@f", "~|~|a|b; ~|~|e|f"},
	{"\"\" <a@b>", "~|~|a|b"},
	{"\\", "~|~|\\|~"},
};

static void put(struct str *out, struct span s)
{
	if (s.p)
		str_add_span(out, s);
	else
		str_putc(out, '~');
}

static void put_item(struct str *out, const struct address_item *item)
{
	str_puts(out, out->len ? "; " : "");
	if (item->kind == ADDRESS_GROUP_END) {
		str_putc(out, '}');
		return;
	}
	str_puts(out, item->kind == ADDRESS_GROUP_START ? "{" : "");
	put(out, item->name);
	if (item->kind == ADDRESS_GROUP_START)
		return;
	const struct span parts[] = {item->route, item->local, item->domain};
	for (size_t i = 0; i < COUNT_OF(parts); i++) {
		str_putc(out, '|');
		put(out, parts[i]);
	}
}

static void lists(void **state)
{
	(void)state;
	for (size_t i = 0; i < COUNT_OF(rows); i++) {
		struct pool *pool = pool_new("test");
		struct str out = STR_INIT;
		struct address_reader r;
		struct address_item item;
		address_reader_init(&r, span_of(rows[i].text), pool);
		while (address_read(&r, &item))
			put_item(&out, &item);
		assert_string_equal(str_c(&out), rows[i].want);
		str_fini(&out);
		pool_free(&pool);
	}
}

static void lists_are_bounded(void **state)
{
	struct pool *pool = pool_new("test");
	struct str text = STR_INIT;
	struct address_reader r;
	struct address_item item;
	size_t n = 0;
	(void)state;
	for (int i = 0; i < ADDRESS_LIST_MAX + 100; i++)
		str_puts(&text, "a@b,");
	address_reader_init(&r, str_span(&text), pool);
	while (address_read(&r, &item))
		n++;
	assert_int_equal(n, ADDRESS_LIST_MAX);
	str_fini(&text);
	pool_free(&pool);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(lists), cmocka_unit_test(lists_are_bounded)};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
