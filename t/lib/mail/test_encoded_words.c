/* Encoded words (RFC 2047) both ways. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/array.h"
#include "base/utf8.h"
#include "mail/encoded.h"
#include "mail/subject.h"

static const struct {
	const char *value, *want;
} decoded[] = {
	{"", ""},
	{"plain text", "plain text"},
	{"  trimmed \r\n", "trimmed"},
	{"=?iso-8859-1?Q?Caf=E9?=", "Caf\xc3\xa9"},
	{"=?UTF-8?b?w6k=?= x", "\xc3\xa9 x"},
	{"=?utf-8?q?a?= =?utf-8?q?b?=", "ab"},
	{"=?utf-8?q?a?=\r\n =?utf-8?q?b?=", "ab"},
	{"=?utf-8?q?a?= b =?utf-8?q?c?=", "a b c"},
	{"=?utf-8?q?a_b=20c?=", "a b c"},
	{"=?utf-8*en?q?a?=", "a"},
	{"=?utf-8?q?=E2=82?= =?utf-8?q?=AC?=", "\xe2\x82\xac"},
	{"=?iso-2022-jp?B?GyRCRnxLXBsoQg==?=", "\xe6\x97\xa5\xe6\x9c\xac"},
	{"=?x-nothing?q?=C3=A9?=", "\xc3\xa9"},
	{"=?utf-8?q?a=0D=0AEvil:_x?=", "a  Evil: x"},
	{"=?utf-8?q?a=00b?=", "a b"},
	{"=?utf-8?x?a?=", "=?utf-8?x?a?="},
	{"=?utf-8?q?open", "=?utf-8?q?open"},
	{"=?utf-8?q?who?\?=", "who?"},
	{"=?utf-8?q?\?= x", " x"},
	{"=?=?=?=?", "=?=?=?=?"},
	{"=?a?q?=?utf-8?q?b?=", "=?a?q?b"},
	{"Gr\xfc\xdf", "Gr\xc3\xbc\xc3\x9f"},
	{"Gr\xc3\xbc", "Gr\xc3\xbc"},
};

static void decoding(void **state)
{
	(void)state;
	for (size_t i = 0; i < COUNT_OF(decoded); i++) {
		struct str out = STR_INIT;
		encoded_put_decoded(&out, span_of(decoded[i].value));
		assert_string_equal(str_c(&out), decoded[i].want);
		assert_true(utf8_is_valid(str_span(&out)));
		str_fini(&out);
	}
}

static const struct {
	const char *text, *want;
} encoded[] = {
	{"plain text", "plain text"},
	{"Caf\xc3\xa9", "=?utf-8?b?Q2Fmw6k=?="},
	{"a Caf\xc3\xa9 b", "a =?utf-8?b?Q2Fmw6k=?= b"},
	{"Long words with one \xc3\xa9 in the end",
		"Long words with one =?utf-8?b?w6k=?= in the end"},
	{"looks =?like?= one", "looks =?utf-8?q?=3D=3Flike=3F=3D?= one"},
};

static void encoding(void **state)
{
	(void)state;
	for (size_t i = 0; i < COUNT_OF(encoded); i++) {
		struct str out = STR_INIT, back = STR_INIT;
		encoded_put(&out, span_of(encoded[i].text));
		encoded_put_decoded(&back, str_span(&out));
		assert_string_equal(back.s, encoded[i].text);
		assert_int_equal(0, strncmp(out.s, encoded[i].want, 10));
		str_fini(&out);
		str_fini(&back);
	}
}

static void words_are_short(void **state)
{
	struct str text = STR_INIT, out = STR_INIT, back = STR_INIT;
	struct span rest, word;
	(void)state;
	for (int i = 0; i < 300; i++)
		str_puts(&text, i % 7 ? "\xe2\x82\xac" : "x y");
	encoded_put(&out, str_span(&text));
	for (rest = str_span(&out); span_split(&rest, ' ', &word);)
		assert_true(word.n <= 75);
	encoded_put_decoded(&back, str_span(&out));
	assert_string_equal(back.s, text.s);
	str_fini(&text);
	str_fini(&out);
	str_fini(&back);
}

static const struct {
	const char *value, *want;
	bool reply;
} subjects[] = {
	{"Hello", "HELLO", false},
	{"Re: Hello", "HELLO", true},
	{"RE[2]: fwd: Hello (fwd) (FWD) ", "HELLO", true},
	{"[list] Re: [list] Hello", "HELLO", true},
	{"[a][b]", "[B]", false},
	{"[a] [b] c", "C", false},
	{"[fwd: Re: x]", "X", true},
	{"Re:", "", true},
	{"Regards", "REGARDS", false},
	{"=?utf-8?q?Re=3A_caf=C3=A9?=", "CAF\xc3\xa9", true},
	{"a\r\n\t b", "A B", false},
	{"", "", false},
};

static void base_subjects(void **state)
{
	(void)state;
	for (size_t i = 0; i < COUNT_OF(subjects); i++) {
		struct str out = STR_INIT;
		assert_int_equal(
			subject_put_base(&out, span_of(subjects[i].value)), subjects[i].reply);
		assert_string_equal(str_c(&out), subjects[i].want);
		str_fini(&out);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {cmocka_unit_test(decoding), cmocka_unit_test(encoding),
		cmocka_unit_test(words_are_short), cmocka_unit_test(base_subjects)};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
