/* Transfer encodings and charsets, all at once and in pieces of every size. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/array.h"
#include "base/utf8.h"
#include "mail/charset.h"
#include "mail/transfer.h"

static const struct {
	enum mime_encoding encoding;
	const char *in, *want;
} rows[] = {
	{MIME_IDENTITY, "a=3Db", "a=3Db"},
	{MIME_BASE64, "SGVsbG8=", "Hello"},
	{MIME_BASE64, "SGVs\r\nbG8=\r\n", "Hello"},
	{MIME_BASE64, "S G*V-sbG8", "Hello"},
	{MIME_BASE64, "SGk=SGk=", "HiHi"},
	{MIME_BASE64, "", ""},
	{MIME_BASE64, "====", ""},
	{MIME_QP, "a=3Db", "a=b"},
	{MIME_QP, "a=3db=C3=A9", "a=b\xc3\xa9"},
	{MIME_QP, "soft=\r\nbreak", "softbreak"},
	{MIME_QP, "soft= \t\r\nbreak", "softbreak"},
	{MIME_QP, "soft=\nbreak", "softbreak"},
	{MIME_QP, "padded  \t\r\nnext", "padded\r\nnext"},
	{MIME_QP, "padded \nnext", "padded\nnext"},
	{MIME_QP, "in  side", "in  side"},
	{MIME_QP, "wrong =zz =4 =", "wrong =zz =4 "},
	{MIME_QP, "a=\rb", "a=\rb"},
	{MIME_QP, "end=3", "end=3"},
	{MIME_QP, "trailing ", "trailing "},
};

static void transfer(void **state)
{
	(void)state;
	for (size_t i = 0; i < COUNT_OF(rows); i++) {
		size_t n = strlen(rows[i].in);
		for (size_t step = 1; step <= n + 1; step++) {
			struct transfer t;
			struct str out = STR_INIT;
			transfer_init(&t, rows[i].encoding);
			for (size_t at = 0; at < n; at += step)
				transfer_put(&t, &out,
					span_make(rows[i].in + at, n - at < step ? n - at : step));
			transfer_end(&t, &out);
			assert_string_equal(str_c(&out), rows[i].want);
			str_fini(&out);
		}
	}
}

static void written_is_read(void **state)
{
	struct str bytes = STR_INIT, coded = STR_INIT, back = STR_INIT;
	struct transfer t;
	(void)state;
	for (int i = 0; i < 3000; i++)
		str_putc(
			&bytes, (char)(i * 7 % 251 == 10 || i * 7 % 251 == 13 ? 'x' : i * 7 % 251));
	for (enum mime_encoding e = MIME_BASE64; e <= MIME_QP; e++) {
		str_reset(&coded);
		str_reset(&back);
		if (e == MIME_BASE64)
			transfer_put_base64(&coded, str_span(&bytes));
		else
			transfer_put_qp(&coded, str_span(&bytes));
		for (size_t i = 0, line = 0; i < coded.len; i++) {
			line = coded.s[i] == '\n' ? 0 : line + 1;
			assert_true(line <= 77 && !(coded.s[i] & 0x80));
		}
		transfer_init(&t, e);
		transfer_put(&t, &back, str_span(&coded));
		transfer_end(&t, &back);
		assert_true(span_eq(str_span(&back), str_span(&bytes)));
	}
	str_fini(&bytes);
	str_fini(&coded);
	str_fini(&back);
}

static const struct {
	const char *charset, *in, *want;
	bool known;
} charsets[] = {
	{"utf-8", "\xc3\xa9", "\xc3\xa9", true},
	{"UTF8", "a\xc3", "a\xc3\x83", true},
	{"us-ascii", "Gr\xfc\xdf", "Gr\xc3\xbc\xc3\x9f", true},
	{"ISO_8859-1", "Gr\xfc\xdf", "Gr\xc3\xbc\xc3\x9f", true},
	{"iso-8859-1", "\x80\x93", "\xe2\x82\xac\xe2\x80\x9c", true},
	{"iso-8859-15", "\xa4", "\xe2\x82\xac", true},
	{"koi8-r", "\xf2\xd5", "\xd0\xa0\xd1\x83", true},
	{"iso-2022-jp", "\x1b$BF|\x1b(B!", "\xe6\x97\xa5!", true},
	{"gb2312", "\xd6\xd0", "\xe4\xb8\xad", true},
	{"gb2312", "\xff", "\xef\xbf\xbd", true},
	{"x-made-up", "\xc3\xa9", "\xc3\xa9", false},
	{"x-made-up", "\xe9", "\xc3\xa9", false},
	{"UTF-8//IGNORE", "a", "a", false},
	{"", "a", "a", false},
};

static void charset(void **state)
{
	(void)state;
	for (size_t i = 0; i < COUNT_OF(charsets); i++) {
		struct str out = STR_INIT;
		bool known = charset_put_utf8(
			&out, span_of(charsets[i].charset), span_of(charsets[i].in));
		assert_string_equal(out.s, charsets[i].want);
		assert_int_equal(known, charsets[i].known);
		str_fini(&out);
	}
}

static void in_pieces(void **state)
{
	static const struct {
		const char *name, *text;
	} streams[] = {{"utf-8", "\xe2\x82\xac\xf0\x9f\x98\x80x\xc3\xa9"},
		{"iso-2022-jp", "a\x1b$BF|K\\\x1b(Bz"}, {"shift_jis", "\x93\xfa\x96{x"},
		{"utf-16be", "\x01\x31\x01\x33\x01\x35"}};
	(void)state;
	for (size_t i = 0; i < COUNT_OF(streams); i++) {
		struct str whole = STR_INIT, out = STR_INIT;
		struct charset *cs = charset_open(span_of(streams[i].name));
		charset_put(cs, &whole, span_of(streams[i].text), true);
		for (const char *p = streams[i].text; *p; p++)
			charset_put(cs, &out, span_make(p, 1), false);
		charset_put(cs, &out, SPAN_LIT(""), true);
		assert_string_equal(out.s, whole.s);
		assert_true(utf8_is_valid(str_span(&out)));
		charset_close(&cs);
		str_fini(&whole);
		str_fini(&out);
	}
}

static void a_cut_character_is_replaced(void **state)
{
	struct charset *cs = charset_open(SPAN_LIT("utf-8"));
	struct str out = STR_INIT;
	(void)state;
	charset_put(cs, &out, SPAN_LIT("a\xe2\x82"), false);
	assert_string_equal(out.s, "a");
	charset_put(cs, &out, SPAN_LIT(""), true);
	assert_string_equal(out.s, "a\xef\xbf\xbd");
	charset_close(&cs);
	str_fini(&out);
}

int main(void)
{
	const struct CMUnitTest tests[] = {cmocka_unit_test(transfer),
		cmocka_unit_test(written_is_read), cmocka_unit_test(charset),
		cmocka_unit_test(in_pieces), cmocka_unit_test(a_cut_character_is_replaced)};
	charset_warm();
	return cmocka_run_group_tests(tests, NULL, NULL);
}
