/* Only CRLF.CRLF ends a message, and no way of cutting the stream changes what is read. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "smtp/data.h"
#include "base/str.h"

struct result {
	struct str text;
	unsigned seen;
	bool ended;
	size_t rest; /* octets after the end */
};

static bool is_cut(uint64_t cuts, size_t at)
{
	return at < 64 && (cuts >> at & 1);
}

/* Reads `wire` cut at the places whose bits are set in `cuts` (bit i: before octet i + 1). */
static void read_cut(struct span wire, uint64_t cuts, bool raw, struct result *r)
{
	struct smtp_data d;
	size_t at = 0;
	if (raw)
		smtp_data_init_raw(&d);
	else
		smtp_data_init(&d);
	*r = (struct result){0};
	while (at < wire.n && !r->ended) {
		size_t n = 1;
		while (at + n < wire.n && !is_cut(cuts, at + n - 1))
			n++;
		struct span chunk = span_make(wire.p + at, n), run;
		enum smtp_data_step step;
		while ((step = smtp_data_next(&d, &chunk, &run)) == SMTP_DATA_RUN)
			str_add_span(&r->text, run);
		r->ended = step == SMTP_DATA_END;
		r->rest = wire.n - at - n + chunk.n;
		at += n;
	}
	struct span run;
	if (raw && smtp_data_finish_raw(&d, &run))
		str_add_span(&r->text, run);
	r->seen = d.seen;
	assert_int_equal(d.size, r->text.len);
}

/* The same rules written the slow, obvious way: line by line over the whole. */
static void read_naive(struct span wire, struct result *r)
{
	bool after_crlf = true;
	size_t at = 0;
	*r = (struct result){0};
	while (at < wire.n && !r->ended) {
		size_t lf = at;
		while (lf < wire.n && wire.p[lf] != '\n')
			lf++;
		bool has_lf = lf < wire.n, crlf = has_lf && lf > at && wire.p[lf - 1] == '\r';
		size_t len = lf - at - crlf;
		struct span line = span_make(wire.p + at, len);
		bool dot = line.n && line.p[0] == '.';
		if (dot && line.n == 1 && has_lf && crlf && after_crlf) {
			r->ended = true;
			r->rest = wire.n - lf - 1;
			return;
		}
		if (dot && !(line.n == 1 && has_lf))
			line = span_make(line.p + 1, line.n - 1);
		if (has_lf && !crlf)
			r->seen |= SMTP_SEEN_BARE_LF;
		for (size_t i = 0; i < line.n; i++)
			r->seen |= line.p[i] == '\r' ? SMTP_SEEN_BARE_CR
				   : line.p[i]	     ? 0
						     : SMTP_SEEN_NUL;
		str_add_span(&r->text, line);
		if (has_lf)
			str_puts(&r->text, "\r\n");
		after_crlf = crlf;
		at = lf + has_lf;
	}
}

static void compare(struct span wire)
{
	struct result whole, cut;
	read_naive(wire, &whole);
	for (uint64_t cuts = 0; cuts < 1ull << (wire.n - 1); cuts++) {
		read_cut(wire, cuts, false, &cut);
		if (cut.ended != whole.ended)
			fail_msg("ended %d/%d", cut.ended, whole.ended);
		if (whole.ended) {
			assert_int_equal(cut.seen, whole.seen);
			assert_int_equal(cut.rest, whole.rest);
			assert_true(span_eq(str_span(&cut.text), str_span(&whole.text)));
		}
		str_fini(&cut.text);
	}
	str_fini(&whole.text);
}

/* Every message of up to five octets of this alphabet, in front of a proper end, cut everywhere. */
static void every_mix_of_cr_lf_and_dot(void **state)
{
	static const char alphabet[] = {'\r', '\n', '.', 'a', '\0'};
	char wire[16];
	(void)state;
	for (size_t n = 0; n <= 5; n++) {
		size_t count = 1;
		for (size_t i = 0; i < n; i++)
			count *= sizeof(alphabet);
		for (size_t k = 0; k < count; k++) {
			for (size_t i = 0, v = k; i < n; i++, v /= sizeof(alphabet))
				wire[i] = alphabet[v % sizeof(alphabet)];
			memcpy(wire + n, "\r\n.\r\n", 5);
			compare(span_make(wire, n + 5));
		}
	}
}

static void rows(void **state)
{
	static const struct {
		const char *wire, *text;
		bool ended;
		unsigned seen;
	} table[] = {
		{".\r\n", "", true, 0},
		{"a\r\n.\r\n", "a\r\n", true, 0},
		{"a\r\n..\r\n.\r\n", "a\r\n.\r\n", true, 0},
		{"a\r\n.b\r\n.\r\n", "a\r\nb\r\n", true, 0},
		{"a\n.\n", "a\r\n.\r\n", false, SMTP_SEEN_BARE_LF},
		{"a\n.\r\n", "a\r\n.\r\n", false, SMTP_SEEN_BARE_LF},
		{"a\r\n.\n", "a\r\n.\r\n", false, SMTP_SEEN_BARE_LF},
		{"a\r.\r", "a\r.", false, SMTP_SEEN_BARE_CR},
		{"a\r\n.\r\r\n", "a\r\n\r\r\n", false, SMTP_SEEN_BARE_CR},
		{"a\r\r\n.\r\n", "a\r\r\n", true, SMTP_SEEN_BARE_CR},
	};
	(void)state;
	for (size_t i = 0; i < sizeof(table) / sizeof(table[0]); i++) {
		struct result r;
		read_cut(span_of(table[i].wire), 0, false, &r);
		assert_string_equal(str_c(&r.text), table[i].text);
		assert_int_equal(r.ended, table[i].ended);
		assert_int_equal(r.seen, table[i].seen);
		str_fini(&r.text);
	}
}

static void long_lines_are_told(void **state)
{
	(void)state;
	for (int extra = 0; extra < 2; extra++) {
		struct str wire = STR_INIT;
		struct result r;
		for (int i = 0; i < SMTP_DATA_LINE_MAX + extra; i++)
			str_putc(&wire, 'x');
		str_puts(&wire, "\r\n.\r\n");
		read_cut(str_span(&wire), 1ull << 40 | 1, false, &r);
		assert_true(r.ended);
		assert_int_equal(r.seen, extra ? SMTP_SEEN_LONG_LINE : 0);
		str_fini(&r.text);
		str_fini(&wire);
	}
}

static void raw_chunks_keep_dots(void **state)
{
	static const struct {
		const char *wire, *text;
		unsigned seen;
	} table[] = {
		{".\r\n.\r\na", ".\r\n.\r\na", 0},
		{"a\n.\r", "a\r\n.\r", SMTP_SEEN_BARE_LF | SMTP_SEEN_BARE_CR},
		{"a\r\n..b\r\n", "a\r\n..b\r\n", 0},
	};
	(void)state;
	for (size_t i = 0; i < sizeof(table) / sizeof(table[0]); i++) {
		struct span wire = span_of(table[i].wire);
		for (uint64_t cuts = 0; cuts < 1ull << (wire.n - 1); cuts++) {
			struct result r;
			read_cut(wire, cuts, true, &r);
			assert_string_equal(str_c(&r.text), table[i].text);
			assert_int_equal(r.seen, table[i].seen);
			assert_false(r.ended);
			str_fini(&r.text);
		}
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(rows),
		cmocka_unit_test(every_mix_of_cr_lf_and_dot),
		cmocka_unit_test(long_lines_are_told),
		cmocka_unit_test(raw_chunks_keep_dots),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
