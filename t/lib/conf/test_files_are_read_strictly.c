/* A configuration file is read strictly: what it says, or an error with its line. */
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>

#include "base/array.h"
#include "conf/conf.h"

/* section.name=value, one after the other, or the error. */
static void put_all(struct str *out, struct conf_file *file)
{
	for (size_t i = 0; i < conf_file_count(file); i++) {
		const struct conf_section *s = conf_file_section(file, i);
		for (size_t k = 0; k < s->n; k++)
			str_printf(out, "%s.%s=%s@%u ", s->name, s->entries[k].name, s->entries[k].value,
				s->entries[k].line);
	}
}

static const struct {
	struct span text;
	const char *want;
} rows[] = {
	{SPAN_LIT(""), ""},
	{SPAN_LIT("a = 1\n"), ".a=1@1 "},
	{SPAN_LIT("a=1"), ".a=1@1 "},
	{SPAN_LIT("a =\n"), ".a=@1 "},
	{SPAN_LIT("a = b = c\n"), ".a=b = c@1 "},
	{SPAN_LIT("a = 1\r\nb = 2\r\n"), ".a=1@1 .b=2@2 "},
	{SPAN_LIT("# x\n\n  # y\na = 1 # no comment\n"), ".a=1 # no comment@4 "},
	{SPAN_LIT("a = 1\n  2\n\t3\nb = 4\n"), ".a=1 2 3@1 .b=4@4 "},
	{SPAN_LIT("a = 1\n# between\n  2\n"), ".a=1 2@1 "},
	{SPAN_LIT("a = 1\n[s-1]\na = 2\n[ t ]\nb = 3\n"), ".a=1@1 s-1.a=2@3 t.b=3@5 "},
	{SPAN_LIT("a = 1\n\n  2\n"), "f:3: \"2\" continues nothing."},
	{SPAN_LIT("  a = 1\n"), "f:1: \"a = 1\" continues nothing."},
	{SPAN_LIT("[s]\n  a\n"), "f:2: \"a\" continues nothing."},
	{SPAN_LIT("\nword\n"), "f:2: \"word\" is neither name = value nor [section]."},
	{SPAN_LIT("= 1\n"), "f:1: \"\" is not a parameter name."},
	{SPAN_LIT("a b = 1\n"), "f:1: \"a b\" is not a parameter name."},
	{SPAN_LIT("[]\n"), "f:1: \"\" is not a section name."},
	{SPAN_LIT("[a b]\n"), "f:1: \"a b\" is not a section name."},
	{SPAN_LIT("a = 1\na = 2\n"), "f:2: \"a\" is set a second time in its section."},
	{SPAN_LIT("[s]\n[t]\n[s]\n"), "f:3: \"s\" is a section for the second time."},
	{SPAN_LIT("a = 1\nb = x\0y\n"), "f:2: \"b = x\" holds a NUL octet."},
};

static void the_rows_are_read(void **state)
{
	(void)state;
	for (size_t i = 0; i < COUNT_OF(rows); i++) {
		struct pool *pool = pool_new("test");
		struct conf_file *file;
		const char *err = "";
		struct str got = STR_IN(pool);
		if (conf_file_parse(pool, "f", rows[i].text, &file, &err) == 0)
			put_all(&got, file);
		else
			str_puts(&got, err);
		assert_string_equal(str_c(&got), rows[i].want);
		pool_free(&pool);
	}
}

static void a_file_that_is_not_there_is_named(void **state)
{
	(void)state;
	struct pool *pool = pool_new("test");
	struct conf_file *file;
	const char *err = "";
	assert_int_equal(conf_file_read(pool, "/nowhere/thurn.conf", &file, &err), -1);
	assert_string_equal(err, "/nowhere/thurn.conf can't be read: No such file or directory.");
	pool_free(&pool);
}

/* One entry of many continuation lines, and many entries: both linear. */
static void long_files_are_read_in_no_time(void **state)
{
	(void)state;
	struct pool *pool = pool_new("test");
	struct str text = STR_IN(pool);
	struct conf_file *file;
	const char *err = "";
	str_puts(&text, "a =\n");
	for (int i = 0; i < 200000; i++)
		str_puts(&text, " word\n");
	for (int i = 0; i < 200000; i++)
		str_printf(&text, "n%d = 1\n", i);
	assert_int_equal(conf_file_parse(pool, "f", str_span(&text), &file, &err), 0);
	assert_int_equal(conf_file_section(file, 0)->n, 200001);
	assert_int_equal(strlen(conf_file_section(file, 0)->entries[0].value), 200000 * 5 - 1);
	pool_free(&pool);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_rows_are_read),
		cmocka_unit_test(a_file_that_is_not_there_is_named),
		cmocka_unit_test(long_files_are_read_in_no_time),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
