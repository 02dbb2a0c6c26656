/* What is written ends once, only where it should, and reads back as the same lines. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "base/str.h"
#include "smtp/data.h"

static void stuff_cut(struct span text, uint64_t cuts, struct str *out)
{
	struct smtp_stuff s;
	smtp_stuff_init(&s);
	for (size_t at = 0, n; at < text.n; at += n) {
		for (n = 1; at + n < text.n && !(cuts >> (at + n - 1) & 1);)
			n++;
		struct span chunk = span_make(text.p + at, n), run;
		while (smtp_stuff_next(&s, &chunk, &run))
			str_add_span(out, run);
	}
	str_add_span(out, smtp_stuff_end(&s));
}

static void rows(void **state)
{
	static const struct {
		const char *text, *wire;
	} table[] = {
		{"", ".\r\n"},
		{"a", "a\r\n.\r\n"},
		{"a\r\n", "a\r\n.\r\n"},
		{"a\n", "a\r\n.\r\n"},
		{".\r\n", "..\r\n.\r\n"},
		{"..a\r\n.b\r\n", "...a\r\n..b\r\n.\r\n"},
		{"a\n.\nb\n", "a\r\n..\r\nb\r\n.\r\n"},
		{"a\rb\r\n", "a b\r\n.\r\n"},
		{"a\n.\r\nb", "a\r\n..\r\nb\r\n.\r\n"},
		{"a\r.\r\n", "a .\r\n.\r\n"},
	};
	(void)state;
	for (size_t i = 0; i < sizeof(table) / sizeof(table[0]); i++) {
		size_t n = strlen(table[i].text);
		for (uint64_t cuts = 0; cuts < 1ull << (n ? n - 1 : 0); cuts++) {
			struct str out = STR_INIT;
			stuff_cut(span_of(table[i].text), cuts, &out);
			assert_string_equal(str_c(&out), table[i].wire);
			str_fini(&out);
		}
	}
}

/* Nothing that is written, whatever the message, holds a bare CR or LF, or ends early. */
static void every_mix_comes_back(void **state)
{
	static const char alphabet[] = {'\r', '\n', '.', 'a'};
	char text[8];
	(void)state;
	for (size_t k = 0; k < 4 * 4 * 4 * 4 * 4 * 4; k++) {
		for (size_t i = 0, v = k; i < 6; i++, v /= 4)
			text[i] = alphabet[v % 4];
		for (uint64_t cuts = 0; cuts < 32; cuts++) {
			struct str wire = STR_INIT;
			struct smtp_data d;
			stuff_cut(span_make(text, 6), cuts, &wire);
			struct span chunk = str_span(&wire), run;
			enum smtp_data_step step;
			smtp_data_init(&d);
			while ((step = smtp_data_next(&d, &chunk, &run)) == SMTP_DATA_RUN)
				;
			assert_int_equal(step, SMTP_DATA_END);
			assert_int_equal(chunk.n, 0);
			assert_int_equal(d.seen, 0);
			str_fini(&wire);
		}
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(rows),
		cmocka_unit_test(every_mix_comes_back),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
