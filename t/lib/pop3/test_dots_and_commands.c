#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "base/array.h"
#include "pop3/command.h"
#include "pop3/dots.h"

#define ALL -1

static const struct {
	const char *message;
	int top; /* lines of the body, or ALL */
	const char *reply;
} rows[] = {
	{"", ALL, ".\r\n"},
	{"a\r\n", ALL, "a\r\n.\r\n"},
	{"a", ALL, "a\r\n.\r\n"},
	{".\r\n", ALL, "..\r\n.\r\n"},
	{"..a\r\n.b\r\n", ALL, "...a\r\n..b\r\n.\r\n"},
	{"h: 1\r\n\r\n1\r\n2\r\n", ALL, "h: 1\r\n\r\n1\r\n2\r\n.\r\n"},
	{"h: 1\r\n\r\n1\r\n2\r\n", 0, "h: 1\r\n\r\n.\r\n"},
	{"h: 1\r\n\r\n1\r\n2\r\n", 1, "h: 1\r\n\r\n1\r\n.\r\n"},
	{"h: 1\r\n\r\n1\r\n2\r\n", 2, "h: 1\r\n\r\n1\r\n2\r\n.\r\n"},
	{"h: 1\r\n\r\n1\r\n2\r\n", 99, "h: 1\r\n\r\n1\r\n2\r\n.\r\n"},
	{"h: 1\r\n\r\n\r\n.x\r\n3\r\n", 2, "h: 1\r\n\r\n\r\n..x\r\n.\r\n"},
	{"h: 1\r\n", 5, "h: 1\r\n.\r\n"},
	{"h\n\n1\n2\n", 1, "h\n\n1\n.\r\n"},
};

/* In pieces of every size the same bytes come out. */
static void replies_do_not_depend_on_the_pieces(void **state)
{
	struct str out = STR_INIT;
	(void)state;
	for (size_t i = 0; i < COUNT_OF(rows); i++) {
		size_t n = strlen(rows[i].message);
		for (size_t step = 1; step <= n + 1; step++) {
			struct pop3_dots d;
			str_reset(&out);
			if (rows[i].top == ALL)
				pop3_dots_init(&d);
			else
				pop3_dots_init_top(&d, (uint32_t)rows[i].top);
			for (size_t at = 0; at < n; at += step)
				pop3_dots_put(&d,
					span_make(rows[i].message + at, n - at < step ? n - at : step),
					&out);
			pop3_dots_end(&d, &out);
			assert_string_equal(str_c(&out), rows[i].reply);
		}
	}
	str_fini(&out);
}

static void top_says_when_it_has_enough(void **state)
{
	struct str out = STR_INIT;
	struct pop3_dots d;
	(void)state;
	pop3_dots_init_top(&d, 1);
	assert_true(pop3_dots_put(&d, SPAN_LIT("h: 1\r\n\r"), &out));
	assert_true(pop3_dots_put(&d, SPAN_LIT("\n"), &out));
	assert_false(pop3_dots_put(&d, SPAN_LIT("1\r\n2\r\n"), &out));
	assert_false(pop3_dots_put(&d, SPAN_LIT("3\r\n"), &out));
	assert_string_equal(str_c(&out), "h: 1\r\n\r\n1\r\n");
	str_fini(&out);
}

static void lines_are_verb_and_rest(void **state)
{
	struct pop3_command c;
	(void)state;
	assert_true(pop3_parse_command(SPAN_LIT("PASS a  b "), &c));
	assert_true(span_is(c.verb, "PASS") && span_is(c.rest, "a  b "));
	assert_true(pop3_parse_command(SPAN_LIT("quit"), &c));
	assert_true(span_is(c.verb, "quit") && c.rest.n == 0);
	assert_false(pop3_parse_command(SPAN_LIT(""), &c));
	assert_false(pop3_parse_command(SPAN_LIT(" STAT"), &c));
	assert_false(pop3_parse_command(SPAN_LIT("GET/ x"), &c));
}

static const struct {
	const char *rest;
	unsigned n, zero_from;
	bool ok;
} numbers[] = {
	{"1", 1, 1, true},
	{" 12 ", 1, 1, true},
	{"0", 1, 1, false},
	{"3 0", 2, 1, true},
	{"0 3", 2, 1, false},
	{"3", 2, 1, false},
	{"3 4 5", 2, 1, false},
	{"3  4", 2, 1, false},
	{"-1", 1, 1, false},
	{"4294967296", 1, 1, false},
	{"1x", 1, 1, false},
	{"", 1, 1, false},
};

static void numbers_are_strict(void **state)
{
	uint32_t v[2];
	(void)state;
	for (size_t i = 0; i < COUNT_OF(numbers); i++)
		assert_int_equal(pop3_parse_numbers(span_of(numbers[i].rest), v, numbers[i].n,
					 numbers[i].zero_from),
			numbers[i].ok);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(replies_do_not_depend_on_the_pieces),
		cmocka_unit_test(top_says_when_it_has_enough),
		cmocka_unit_test(lines_are_verb_and_rest),
		cmocka_unit_test(numbers_are_strict),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
