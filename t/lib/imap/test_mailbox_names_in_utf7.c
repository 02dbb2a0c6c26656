#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "base/array.h"
#include "imap/utf7.h"

static const struct {
	const char *wire, *utf8; /* utf8 NULL: no name */
} rows[] = {
	{"", ""},
	{"INBOX", "INBOX"},
	{"a&-b", "a&b"},
	{"~peter/mail/&U,BTFw-/&ZeVnLIqe-", "~peter/mail/台北/日本語"},
	{"Entw&APw-rfe", "Entwürfe"},
	{"&2D3eAA-", "\xf0\x9f\x98\x80"},
	{"&AOk-x&AOk-", "éxé"},
	{"&", NULL},
	{"&AOk", NULL},
	{"&A-", NULL},
	{"&AO-", NULL},
	{"&AOl-x&", NULL},
	{"&AGE-", NULL},     /* a, needlessly encoded */
	{"&AAA-", NULL},     /* NUL */
	{"&AAo-", NULL},     /* LF */
	{"&2D0-", NULL},     /* half a pair */
	{"&3gA-", NULL},     /* the other half */
	{"&2D3YPQ-", NULL},  /* two first halves */
	{"&AOkA-", NULL},    /* bits left over */
	{"&AOn-", NULL},     /* bits set in what is left over */
	{"&AO/-", NULL},     /* not the alphabet */
	{"&AOk-&AOk-", NULL}, /* should be one run */
	{"caf\xc3\xa9", NULL},
	{"a\tb", NULL},
};

static void names_have_one_spelling_each(void **state)
{
	(void)state;
	for (size_t i = 0; i < COUNT_OF(rows); i++) {
		struct str out = STR_INIT, back = STR_INIT;
		assert_int_equal(utf7_to_utf8(&out, span_of(rows[i].wire)), rows[i].utf8 != NULL);
		assert_string_equal(str_c(&out), rows[i].utf8 ? rows[i].utf8 : "");
		if (rows[i].utf8) {
			utf7_put(&back, str_span(&out));
			assert_string_equal(str_c(&back), rows[i].wire);
		}
		str_fini(&out);
		str_fini(&back);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(names_have_one_spelling_each),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
