#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "base/array.h"
#include "imap/capability.h"
#include "imap/fold.h"
#include "imap/put.h"

static const struct {
	const char *text, *astring;
} strings[] = {
	{"abc]", "abc]"},
	{"a b", "\"a b\""},
	{"", "\"\""},
	{"nil", "\"nil\""},
	{"a\"b\\", "\"a\\\"b\\\\\""},
	{"a\r\nb", "{4}\r\na\r\nb"},
	{"caf\xc3\xa9", "{5}\r\ncaf\xc3\xa9"},
};

static void strings_take_the_plainest_form(void **state)
{
	struct str out = STR_INIT;

	(void)state;
	for (size_t i = 0; i < COUNT_OF(strings); i++) {
		str_reset(&out);
		imap_put_astring(&out, span_of(strings[i].text));
		assert_string_equal(str_c(&out), strings[i].astring);
	}
	str_reset(&out);
	imap_put_string(&out, span_make("a\0b", 3));
	assert_string_equal(str_c(&out), "{3}\r\na?b");
	str_reset(&out);
	imap_put_mailbox(&out, "a/Entwürfe", '.');
	assert_string_equal(str_c(&out), "a.Entw&APw-rfe");
	str_fini(&out);
}

static const struct {
	const char *text, *folded;
} folds[] = {
	{"ABC xyz 1", "abc xyz 1"},
	{"ÄÖÜß ẞ", "äöüß ß"},
	{"ŁÓDŹ Ÿ", "łódź ÿ"},
	{"ΑΣΩ ς", "ασω σ"},
	{"ПРИВЕТ Ё", "привет ё"},
	{"日本", "日本"},
	{"a\xff" "B", "a\xff" "b"},
};

static void case_is_folded(void **state)
{
	(void)state;
	for (size_t i = 0; i < COUNT_OF(folds); i++) {
		struct str out = STR_INIT;
		fold_put(&out, span_of(folds[i].text));
		assert_string_equal(str_c(&out), folds[i].folded);
		str_fini(&out);
	}
}

static void capabilities_belong_to_their_phase(void **state)
{
	struct str out = STR_INIT;

	(void)state;
	imap_put_capabilities(&out, IMAP_PHASE_PLAIN, "SCRAM-SHA-256", true, false);
	assert_int_equal(strncmp(out.s, "IMAP4rev1 ", 10), 0);
	assert_non_null(strstr(out.s, " STARTTLS LOGINDISABLED AUTH=SCRAM-SHA-256"));
	assert_null(strstr(out.s, "UIDPLUS"));
	str_reset(&out);
	imap_put_capabilities(&out, IMAP_PHASE_AUTH, "PLAIN", true, false);
	assert_null(strstr(out.s, "AUTH="));
	assert_null(strstr(out.s, "SASL-IR"));
	assert_non_null(strstr(out.s, " UIDPLUS"));
	str_fini(&out);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(strings_take_the_plainest_form),
		cmocka_unit_test(case_is_folded),
		cmocka_unit_test(capabilities_belong_to_their_phase),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
