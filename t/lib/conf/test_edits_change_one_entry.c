/* Editing changes one entry of a file's text and nothing else. */
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>

#include "base/array.h"
#include "conf/conf.h"

static const struct {
	const char *text, *section, *name, *value, *want;
} rows[] = {
	{"", "", "a", "1", "a = 1\n"},
	{"", "s", "a", "1", "[s]\na = 1\n"},
	{"a = 1\n", "", "a", "2", "a = 2\n"},
	{"a = 1", "", "b", "2", "a = 1\nb = 2\n"},
	{"# x\na = 1\n  more\n# y\nb = 2\n", "", "a", "3", "# x\na = 3\n# y\nb = 2\n"},
	{"a = 1\n\n[s]\na = 2\n", "", "b", "3", "a = 1\nb = 3\n\n[s]\na = 2\n"},
	{"a = 1\n\n[s]\na = 2\n", "s", "a", "3", "a = 1\n\n[s]\na = 3\n"},
	{"a = 1\n\n[s]\n\n[t]\na = 2\n", "s", "a", "3", "a = 1\n\n[s]\na = 3\n\n[t]\na = 2\n"},
	{"a = 1\n[s]\nb = 1\n", "t", "a", "3", "a = 1\n[s]\nb = 1\n\n[t]\na = 3\n"},
	{"[s]\na = 1", "s", "b", "2", "[s]\na = 1\nb = 2\n"},
	{"[s]\n", "", "b", "2", "b = 2\n[s]\n"},
	/* a commented default stays; a line end in a value makes no line */
	{"#a = 1\n", "", "a", "2", "#a = 1\na = 2\n"},
	{"", "", "a", "1\n[s]\nb = 2", "a = 1 [s] b = 2\n"},
};

static void the_rows_hold(void **state)
{
	(void)state;
	for (size_t i = 0; i < COUNT_OF(rows); i++) {
		struct str text = STR_INIT;
		str_puts(&text, rows[i].text);
		conf_edit(&text, rows[i].section, rows[i].name, rows[i].value);
		assert_string_equal(str_c(&text), rows[i].want);
		str_fini(&text);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {cmocka_unit_test(the_rows_hold)};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
