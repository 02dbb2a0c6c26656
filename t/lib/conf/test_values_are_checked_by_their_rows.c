/* A value is checked by its row, stored in its type, and written back as it would stand in the file. */
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>

#include "base/array.h"
#include "conf/conf.h"

struct sample {
	const char *text, *path, *word, *list;
	bool yes;
	uint64_t num, size;
	int64_t time;
};

#define CONF_STRUCT sample
static const struct conf_row sample_rows[] = {
	CONF_ROW(STR, text, "", 0, 0, "x"),
	CONF_ROW(PATH, path, "etc/x", 0, 0, "x"),
	CONF_ROW_ENUM(word, "may", "no|may|require", "x"),
	CONF_ROW(LIST, list, "", 0, 0, "x"),
	CONF_ROW(BOOL, yes, "no", 0, 0, "x"),
	CONF_ROW(NUM, num, "5", 2, 10, "x"),
	CONF_ROW(SIZE, size, "1M", 1024, 0, "x"),
	CONF_ROW(TIME, time, "5m", 1, 3600, "x"),
	CONF_END,
};

/* want: what is written back, or the error. */
static const struct {
	const char *name, *value, *want;
} rows[] = {
	{"text", "  a b  ", "a b"},
	{"text", "", ""},
	{"path", "run/x", "/root/run/x"},
	{"path", "/abs", "/abs"},
	{"path", "", ""},
	{"word", "require", "require"},
	{"word", "requires", "word: \"requires\" is not one of no|may|require."},
	{"word", "", "word: \"\" is not one of no|may|require."},
	{"list", "a, b  c", "a, b  c"},
	{"yes", "yes", "yes"},
	{"yes", "NO", "no"},
	{"yes", "true", "yes: \"true\" is not yes or no."},
	{"num", "2", "2"},
	{"num", "10", "10"},
	{"num", "1", "num: \"1\" is not between 2 and 10."},
	{"num", "11", "num: \"11\" is not between 2 and 10."},
	{"num", "-3", "num: \"-3\" is not a number."},
	{"num", "3x", "num: \"3x\" is not a number."},
	{"num", "99999999999999999999999", "num: \"99999999999999999999999\" is not a number."},
	{"size", "2048", "2k"},
	{"size", "50M", "50M"},
	{"size", "1025", "1025"},
	{"size", "1G", "1G"},
	{"size", "100", "size: \"100\" is not at least 1024."},
	{"size", "5 apples", "size: \"5 apples\" is not a size like 512, 64k or 50M."},
	{"time", "1h", "1h"},
	{"time", "90", "90s"},
	{"time", "1m30s", "90s"},
	{"time", "1500ms", "1500ms"},
	{"time", "999ms", "time: \"999ms\" is not between 1 and 3600 seconds."},
	{"time", "2h", "time: \"2h\" is not between 1 and 3600 seconds."},
	{"time", "soon", "time: \"soon\" is not a duration like 30s, 5m or 1h30m."},
};

static void the_rows_hold(void **state)
{
	(void)state;
	for (size_t i = 0; i < COUNT_OF(rows); i++) {
		struct pool *pool = pool_new("test");
		struct sample s;
		const char *err = "";
		struct str got = STR_IN(pool);
		const struct conf_row *row = conf_find_row(sample_rows, rows[i].name);
		assert_int_equal(conf_defaults(pool, sample_rows, "/root", &s, &err), 0);
		if (conf_set(pool, row, "/root", rows[i].value, &s, &err) == 0)
			conf_put_value(&got, row, &s);
		else
			str_puts(&got, err);
		assert_string_equal(str_c(&got), rows[i].want);
		pool_free(&pool);
	}
}

static void defaults_fill_every_field(void **state)
{
	(void)state;
	struct pool *pool = pool_new("test");
	struct sample s;
	const char *err = "";
	assert_int_equal(conf_defaults(pool, sample_rows, "/r/", &s, &err), 0);
	assert_string_equal(s.text, "");
	assert_string_equal(s.path, "/r/etc/x");
	assert_string_equal(s.word, "may");
	assert_false(s.yes);
	assert_int_equal(s.num, 5);
	assert_int_equal(s.size, 1 << 20);
	assert_int_equal(s.time, 300000);
	pool_free(&pool);
}

static void a_section_sets_what_it_names(void **state)
{
	(void)state;
	struct pool *pool = pool_new("test");
	struct conf_file *file;
	struct sample s;
	const char *err = "";
	assert_int_equal(conf_file_parse(pool, "f",
				 SPAN_LIT("[s]\nnum = 7\nother = 1\n[t]\nnum = 1\n"), &file, &err),
		0);
	conf_defaults(pool, sample_rows, "/", &s, &err);
	struct conf_section *section = conf_file_find(file, "s");
	assert_int_equal(conf_apply(pool, sample_rows, "/", file, section, &s, &err), 0);
	assert_int_equal(s.num, 7);
	assert_int_equal(conf_check_used(pool, file, section, &err), -1);
	assert_string_equal(err, "f:3: there is no parameter other for s.");
	assert_int_equal(
		conf_apply(pool, sample_rows, "/", file, conf_file_find(file, "t"), &s, &err), -1);
	assert_string_equal(err, "f:5: num: \"1\" is not between 2 and 10.");
	assert_null(conf_file_find(file, "u"));
	pool_free(&pool);
}

static void lists_are_iterated(void **state)
{
	(void)state;
	struct span word;
	size_t at = 0;
	struct str got = STR_INIT;
	while (conf_list_next(" a,b  c ,, d", &at, &word)) {
		str_add_span(&got, word);
		str_putc(&got, '.');
	}
	assert_string_equal(str_c(&got), "a.b.c.d.");
	str_fini(&got);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_rows_hold),
		cmocka_unit_test(defaults_fill_every_field),
		cmocka_unit_test(a_section_sets_what_it_names),
		cmocka_unit_test(lists_are_iterated),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
