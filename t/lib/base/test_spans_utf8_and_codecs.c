#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "base/array.h"
#include "base/codec.h"
#include "base/utf8.h"

static void spans_compare_split_and_trim(void **state)
{
	struct span rest = span_of("a,,bc"), piece;
	(void)state;
	assert_true(span_iis(SPAN_LIT("hELo"), "HeLO"));
	assert_false(span_iis(SPAN_LIT("hel"), "helo"));
	assert_false(span_is(SPAN_LIT("a"), "A"));
	assert_true(span_ihas_prefix(SPAN_LIT("FROM:<a>"), SPAN_LIT("from:")));
	assert_false(span_has_prefix(SPAN_LIT("FROM:<a>"), SPAN_LIT("from:")));
	assert_true(span_split(&rest, ',', &piece) && span_is(piece, "a"));
	assert_true(span_split(&rest, ',', &piece) && piece.n == 0);
	assert_true(span_split(&rest, ',', &piece) && span_is(piece, "bc"));
	assert_false(span_split(&rest, ',', &piece));
	assert_true(span_is(span_trim(SPAN_LIT(" \t x y\r\n")), "x y"));
	assert_int_equal(span_trim(SPAN_LIT(" \t")).n, 0);
	assert_int_equal(span_index(SPAN_LIT("abc"), 1, 'a'), 3);
	assert_int_equal(span_index(SPAN_LIT("abc"), 9, 'a'), 3);
}

static const struct {
	const char *text;
	bool valid;
} utf8_rows[] = {
	{"", true},
	{"plain ascii, longer than eight", true},
	{"gr\xc3\xbc\xc3\x9f", true},
	{"\xe2\x82\xac\xf0\x9f\x98\x80", true},
	{"\xf4\x8f\xbf\xbf", true},
	{"\xf4\x90\x80\x80", false}, /* past U+10FFFF */
	{"\xc0\x80", false},	     /* overlong */
	{"\xe0\x80\xaf", false},
	{"\xf0\x80\x80\xaf", false},
	{"\xed\xa0\x80", false}, /* surrogate */
	{"\x80", false},
	{"\xc3", false}, /* cut off */
	{"abcdefgh\xff", false},
	{"\xe2\x82" "x", false},
};

static void utf8_is_strict(void **state)
{
	(void)state;
	for (size_t i = 0; i < COUNT_OF(utf8_rows); i++)
		assert_int_equal(utf8_is_valid(span_of(utf8_rows[i].text)), utf8_rows[i].valid);
}

static void utf8_characters_round_trip(void **state)
{
	struct str s = STR_INIT;
	(void)state;
	for (uint32_t cp = 1; cp < 0x110000; cp += 37) {
		uint32_t back;
		str_reset(&s);
		utf8_put(&s, cp);
		assert_int_equal(utf8_next(str_span(&s), &back), s.len);
		assert_int_equal(back, cp >= 0xd800 && cp <= 0xdfff ? 0xfffd : cp);
	}
	str_reset(&s);
	utf8_put_clean(&s, SPAN_LIT("a\xff" "b\xc3"));
	assert_string_equal(str_c(&s), "a\xef\xbf\xbd" "b\xef\xbf\xbd");
	str_fini(&s);
}

static const struct {
	const char *plain, *base64;
} base64_rows[] = {
	{"", ""},
	{"f", "Zg=="},
	{"fo", "Zm8="},
	{"foo", "Zm9v"},
	{"foob", "Zm9vYg=="},
	{"fooba", "Zm9vYmE="},
	{"foobar", "Zm9vYmFy"},
};
static const char *const bad_base64[] = {
	"Z", "Zg", "Zg=", "Zh==", "Zm9=", "====", "Zm9v=", "Zm 9", "Z=9v", "Zg==Zg==", "Zm9v\n",
};

static void base64_is_canonical(void **state)
{
	struct str s = STR_INIT;
	(void)state;
	for (size_t i = 0; i < COUNT_OF(base64_rows); i++) {
		str_reset(&s);
		base64_put(&s, span_of(base64_rows[i].plain));
		assert_string_equal(str_c(&s), base64_rows[i].base64);
		str_reset(&s);
		assert_true(base64_parse(&s, span_of(base64_rows[i].base64)));
		assert_string_equal(str_c(&s), base64_rows[i].plain);
	}
	for (size_t i = 0; i < COUNT_OF(bad_base64); i++) {
		str_reset(&s);
		str_puts(&s, "kept");
		assert_false(base64_parse(&s, span_of(bad_base64[i])));
		assert_string_equal(str_c(&s), "kept");
	}
	str_fini(&s);
}

static void hexadecimal_bytes(void **state)
{
	struct str s = STR_INIT;
	(void)state;
	hex_put(&s, SPAN_LIT("\x00\xff\x1a"));
	assert_string_equal(str_c(&s), "00ff1a");
	str_reset(&s);
	assert_true(hex_parse(&s, SPAN_LIT("00fF1A")));
	assert_memory_equal(s.s, "\x00\xff\x1a", 3);
	assert_false(hex_parse(&s, SPAN_LIT("0")));
	assert_false(hex_parse(&s, SPAN_LIT("0g")));
	assert_int_equal(s.len, 3);
	str_fini(&s);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(spans_compare_split_and_trim),
		cmocka_unit_test(utf8_is_strict),
		cmocka_unit_test(utf8_characters_round_trip),
		cmocka_unit_test(base64_is_canonical),
		cmocka_unit_test(hexadecimal_bytes),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
