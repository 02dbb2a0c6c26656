/* Header fields are read in place, whatever the line ends, and written so that nothing can be
 * injected. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/array.h"
#include "mail/header.h"

/* Fields as "name=value|", with what is no field as "=line|", then the body after '#'. */
static const struct {
	const char *message, *want;
} rows[] = {
	{"", "#"},
	{"\r\n", "#"},
	{"\r\nbody", "#body"},
	{"A: b", "A= b|#"},
	{"A: b\r\n", "A= b|#"},
	{"A: b\r\n\r\nbody", "A= b|#body"},
	{"A: b\n\nbody", "A= b|#body"},
	{"A: b\r\n c\r\nD:e\r\n\r\n", "A= b\r\n c|D=e|#"},
	{"A: b\n\tc\nD:e\n\n", "A= b\n\tc|D=e|#"},
	{"A :b\r\n", "A=b|#"},
	{"From ann Tue\r\nA: b\r\n\r\nx", "=From ann Tue|A= b|#x"},
	{"garbage\r\nA: b\r\n\r\nx", "=garbage|A= b|#x"},
	{" first is folded\r\nA: b\r\n\r\nx", "= first is folded|A= b|#x"},
	{": no name\r\n\r\n", "=: no name|#"},
	{"A:\r\n \r\nB: c\r\n\r\n", "A=\r\n |B= c|#"},
	{"A: b\r\n\r", "A= b|=\r|#"},
};

static void fields(void **state)
{
	(void)state;
	for (size_t i = 0; i < COUNT_OF(rows); i++) {
		struct str out = STR_INIT;
		struct header_reader r;
		struct header_field f;
		struct span message = span_of(rows[i].message);
		header_reader_init(&r, message);
		while (header_read(&r, &f)) {
			str_add_span(&out, f.name);
			str_putc(&out, '=');
			str_add_span(&out, f.value);
			str_putc(&out, '|');
		}
		str_putc(&out, '#');
		str_add(&out, r.p, (size_t)(message.p + message.n - r.p));
		assert_string_equal(out.s, rows[i].want);
		assert_int_equal(r.p - message.p, header_length(message));
		str_fini(&out);
	}
}

static void finding(void **state)
{
	struct span message = SPAN_LIT("To: a\r\ntO:  b \r\nX: y\r\n\r\nTo: body\r\n"), v;
	(void)state;
	assert_int_equal(header_find(message, "TO", &v), 1);
	assert_true(span_is(v, "a"));
	assert_int_equal(header_count(message, "to"), 2);
	assert_int_equal(header_find(message, "Y", &v), 0);
	assert_int_equal(header_find(message, "", &v), 0);
}

static const struct {
	const char *value, *want;
} writes[] = {
	{"b", "X: b\r\n"},
	{"", "X:\r\n"},
	{"a\r\nEvil: yes", "X: a Evil: yes\r\n"},
	{"a\r\n\r\nbody", "X: a body\r\n"},
	{"a\nb\rc\x01"
	 "d\x7f"
	 "e",
		"X: a b c d e\r\n"},
	{"aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa bbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbb",
		"X: aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa\r\n"
		" bbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbb\r\n"},
};

static void writing(void **state)
{
	(void)state;
	for (size_t i = 0; i < COUNT_OF(writes); i++) {
		struct str out = STR_INIT;
		header_put(&out, "X", span_of(writes[i].value));
		assert_string_equal(out.s, writes[i].want);
		str_fini(&out);
	}
}

static void no_written_line_is_too_long(void **state)
{
	struct str value = STR_INIT, out = STR_INIT;
	size_t line = 0;
	(void)state;
	for (int i = 0; i < 5000; i++)
		str_putc(&value, i % 4000 ? 'x' : ' ');
	header_put(&out, "Subject", str_span(&value));
	for (size_t i = 0; i < out.len; i++) {
		line = out.s[i] == '\n' ? 0 : line + 1;
		assert_true(line <= HEADER_LINE_MAX + 1);
	}
	assert_int_equal(header_length(str_span(&out)), out.len);
	str_fini(&value);
	str_fini(&out);
}

static void message_ids(void **state)
{
	struct span rest = SPAN_LIT("junk <a@b> <broken <c@d>\r\n\t<e@f>, <> <g"), id;
	struct str out = STR_INIT;
	(void)state;
	while (header_next_msgid(&rest, &id))
		str_add_span(&out, id);
	assert_string_equal(out.s, "<a@b><c@d><e@f>");
	str_fini(&out);
}

int main(void)
{
	const struct CMUnitTest tests[] = {cmocka_unit_test(fields), cmocka_unit_test(finding),
		cmocka_unit_test(writing), cmocka_unit_test(no_written_line_is_too_long),
		cmocka_unit_test(message_ids)};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
