#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "base/array.h"
#include "imap/reader.h"

/* A conversation with the reader: what comes in, and what it makes of it. Verdicts: D done, L
 * limit, X lost, each followed by the text; literals are taken unless `policy` says s(tream) or
 * r(efuse). */
static const struct row {
	const char *in, *policy, *out;
} rows[] = {
	{"a NOOP\r\n", "", "D<a NOOP>"},
	{"a NOOP\nb NOOP\r\n", "", "D<a NOOP>D<b NOOP>"},
	{"\r\n", "", "D<>"},
	{"a LOGIN {3}\r\nbob {0}\r\n\r\n", "", "D<a LOGIN {3}\r\nbob {0}\r\n>"},
	{"a LOGIN {3+}\r\nbob {2+}\r\n\r\n\r\n", "", "D<a LOGIN {3+}\r\nbob {2+}\r\n\r\n>"},
	{"a x {3}\r\n{2}\r\nb NOOP\r\n", "", "D<a x {3}\r\n{2}>D<b NOOP>"},
	{"a x{}\r\n", "", "D<a x{}>"},
	{"a x 3}\r\n", "", "D<a x 3}>"},
	{"a x {99999999999999999999}\r\n", "", "D<a x {99999999999999999999}>"},
	{"a x {18446744073709551615}\r\nb NOOP\r\n", "", "L<a x {18446744073709551615}>D<b NOOP>"},
	{"a x {9}\r\nb NOOP\r\n", "r", "L<a x {9}>D<b NOOP>"},
	{"a x {9+}\r\n123456789 {2+}\r\nxx\r\nb NOOP\r\n", "r", "L<a x {9+} {2+}>D<b NOOP>"},
	{"a x {9+}\r\n123456789 {2}\r\nb NOOP\r\n", "r", "L<a x {9+} {2}>D<b NOOP>"},
	{"a x {0+}\r\n\r\nb NOOP\r\n", "r", "L<a x {0+}>D<b NOOP>"},
	{"a x {999+}\r\nb", "", ""},
	{"a x {268435457+}\r\nb", "", "X<a x {268435457+}>"},
	{"a AP {5+}\r\n12345\r\nb NOOP\r\n", "s", "S<a AP {5+}>D<>D<b NOOP>"},
	{"a AP {5+}\r\n12345 {2+}\r\n12\r\nb NOOP\r\n", "ss", "S<a AP {5+}>S< {2+}>D<>D<b NOOP>"},
};

struct talk {
	struct imap_reader r;
	struct str out;
	const char *policy;
	size_t stream; /* octets of a streamed literal that come yet */
};

static void say(struct talk *t, char verdict)
{
	str_putc(&t->out, verdict);
	str_putc(&t->out, '<');
	str_add_span(&t->out, str_span(&t->r.text));
	str_putc(&t->out, '>');
}

static void literal(struct talk *t)
{
	char what = *t->policy ? *t->policy++ : 't';

	if (what == 's') {
		say(t, 'S');
		t->stream = (size_t)t->r.literal;
		imap_reader_stream(&t->r);
	} else if (what == 'r') {
		imap_reader_refuse(&t->r, "no");
	} else {
		imap_reader_take(&t->r);
	}
}

static void feed(struct talk *t, struct span in)
{
	for (bool again = true; again;) {
		size_t used = 0;
		enum imap_read rc = IMAP_READ_MORE;
		if (t->stream) {
			used = t->stream < in.n ? t->stream : in.n;
			t->stream -= used;
		} else {
			rc = imap_reader_feed(&t->r, in, &used);
			assert_true(used <= in.n);
		}
		in = span_make(in.p + used, in.n - used);
		again = rc != IMAP_READ_MORE || (in.n && used);
		if (rc == IMAP_READ_LITERAL) {
			literal(t);
		} else if (rc != IMAP_READ_MORE) {
			say(t, rc == IMAP_READ_DONE ? 'D' : rc == IMAP_READ_LIMIT ? 'L' : 'X');
			if (rc == IMAP_READ_LOST)
				return;
			imap_reader_reset(&t->r);
		}
	}
}

static void check_row(const struct row *row, size_t step)
{
	struct talk t = {.policy = row->policy};
	struct span in = span_of(row->in);

	imap_reader_init(&t.r, 1000);
	while (in.n) {
		struct span piece = span_make(in.p, step < in.n ? step : in.n);
		feed(&t, piece);
		in = span_make(in.p + piece.n, in.n - piece.n);
		if (t.out.len && t.out.s[0] == 'X')
			break;
	}
	assert_string_equal(str_c(&t.out), row->out);
	str_fini(&t.out);
	imap_reader_fini(&t.r);
}

static void commands_come_out_whole_however_the_bytes_arrive(void **state)
{
	(void)state;
	for (size_t i = 0; i < COUNT_OF(rows); i++)
		for (size_t step = 1; step < 40; step++)
			check_row(&rows[i], step);
}

/* head, then n times fill, then tail. */
static enum imap_read feed_long(
	struct imap_reader *r, const char *head, char fill, size_t n, const char *tail)
{
	struct str in = STR_INIT;
	size_t used;

	str_puts(&in, head);
	memset(str_reserve(&in, n), fill, n);
	in.len += n;
	str_puts(&in, tail);
	enum imap_read rc = imap_reader_feed(r, str_span(&in), &used);
	while (rc == IMAP_READ_LITERAL && imap_reader_take(r)) {
		size_t more;
		rc = imap_reader_feed(r, span_make(in.s + used, in.len - used), &more);
		used += more;
	}
	assert_int_equal(used, in.len);
	str_fini(&in);
	return rc;
}

static void long_lines_are_read_over_with_their_literals(void **state)
{
	struct imap_reader r;

	(void)state;
	imap_reader_init(&r, 1000);
	assert_int_equal(feed_long(&r, "a x ", 'y', IMAP_LINE_MAX, "\r\n"), IMAP_READ_LIMIT);
	assert_int_equal(strncmp(r.text.s, "a x ", 4), 0);
	assert_true(r.text.len < 1000);
	imap_reader_reset(&r);
	assert_int_equal(feed_long(&r, "a x ", 'y', IMAP_LINE_MAX, " {9+}\r\nb NOOP\r\n \r\n"),
		IMAP_READ_LIMIT);
	imap_reader_reset(&r);
	assert_int_equal(feed_long(&r, "a x ", 'y', IMAP_LINE_MAX - 5, "\r\n"), IMAP_READ_DONE);
	imap_reader_fini(&r);
}

static void nul_is_refused_in_lines_and_literals(void **state)
{
	struct imap_reader r;

	(void)state;
	imap_reader_init(&r, 1000);
	assert_int_equal(feed_long(&r, "a x ", '\0', 1, " y\r\n"), IMAP_READ_LIMIT);
	imap_reader_reset(&r);
	assert_int_equal(
		feed_long(&r, "a x {5+}\r\n", '\0', 5, " {3+}\r\nabc\r\n"), IMAP_READ_LIMIT);
	assert_non_null(strstr(r.broke, "NUL"));
	imap_reader_fini(&r);
}

static void commands_are_as_long_as_their_taker_wants(void **state)
{
	struct imap_reader r;

	(void)state;
	imap_reader_init(&r, 1000);
	r.command_max = 1500;
	assert_int_equal(feed_long(&r, "a x ", 'y', 1497, "\r\n"), IMAP_READ_LIMIT);
	imap_reader_reset(&r);
	assert_int_equal(feed_long(&r, "a x ", 'y', 1495, "\r\n"), IMAP_READ_DONE);
	imap_reader_reset(&r);
	assert_int_equal(feed_long(&r, "a x {900+}\r\n", 'y', 900, " {900+}\r\n"), IMAP_READ_LITERAL);
	assert_string_equal(r.broke, "The command is too long.");
	assert_true(r.text.len < 1000);
	imap_reader_fini(&r);
}

static void memory_is_given_back_between_commands(void **state)
{
	struct imap_reader r;

	(void)state;
	imap_reader_init(&r, 1000);
	feed_long(&r, "a x ", 'y', 50000, "\r\n");
	imap_reader_reset(&r);
	assert_true(imap_reader_is_idle(&r));
	assert_true(r.text.cap <= 1024);
	imap_reader_fini(&r);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(commands_come_out_whole_however_the_bytes_arrive),
		cmocka_unit_test(long_lines_are_read_over_with_their_literals),
		cmocka_unit_test(nul_is_refused_in_lines_and_literals),
		cmocka_unit_test(commands_are_as_long_as_their_taker_wants),
		cmocka_unit_test(memory_is_given_back_between_commands),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
