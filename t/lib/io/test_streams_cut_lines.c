/* Lines come out the same wherever the packets were cut; a line that is too long costs its own
 * bytes only. */
#include "io/stream.h"
#include "test.h"

struct sender {
	struct stream *out;
	struct span bytes;
	size_t cut, step;
};

/* In pieces, each followed by a turn of the loop. */
static void send_in_pieces(void *arg)
{
	struct sender *s = arg;
	for (size_t at = 0; at < s->bytes.n;) {
		size_t n = at < s->cut ? s->cut - at : s->step;
		if (n > s->bytes.n - at)
			n = s->bytes.n - at;
		stream_write(s->out, s->bytes.p + at, n);
		assert_int_equal(stream_flush(s->out), 0);
		at += n;
		fiber_yield();
		fiber_yield();
	}
	stream_close(&s->out);
}

struct receiver {
	struct stream *in;
	size_t max;
	struct str heard;
};

static void hear_lines(void *arg)
{
	struct receiver *r = arg;
	struct span line;
	bool crlf;
	int rc;
	while ((rc = stream_read_line(r->in, r->max, &line, &crlf)) != 0) {
		assert_true(rc == 1 || rc == STREAM_TOO_LONG);
		if (rc == 1)
			str_add_span(&r->heard, line);
		str_puts(&r->heard, rc != 1 ? "<too long>" : crlf ? "|" : "~");
	}
	assert_int_equal(stream_state(r->in), STREAM_EOF);
	stream_close(&r->in);
}

static void expect(struct span sent, size_t cut, size_t step, size_t max, const char *heard)
{
	int sv[2];
	make_pair(sv);
	struct sender s = {stream_new(sv[0]), sent, cut, step};
	struct receiver r = {.in = stream_new(sv[1]), .max = max};
	fiber_start("sender", send_in_pieces, &s);
	fiber_start("receiver", hear_lines, &r);
	run_fibers();
	assert_string_equal(str_c(&r.heard), heard);
	str_fini(&r.heard);
}

static const struct {
	struct span sent;
	size_t max;
	const char *heard;
} rows[] = {
	{SPAN_LIT("one\r\ntwo\n\r\n\nthree\r\n"), 100, "one|two~|~three|"},
	{SPAN_LIT("bare\rcr\r\r\nx\r\n"), 100, "bare\rcr\r|x|"},
	{SPAN_LIT("12345\r\n123456\r\n12345\n123456\n"), 5, "12345|<too long>12345~<too long>"},
	{SPAN_LIT("1234567890123456789012345678901234567890\r\nok\r\n"), 5, "<too long>ok|"},
	{SPAN_LIT("\r\n\n"), 0, "|~"},
	{SPAN_LIT("whole\r\nwithout end"), 100, "whole|"},
	{SPAN_LIT("long without end"), 4, ""},
	{SPAN_LIT(""), 4, ""},
};

static void at_every_split_point(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++)
		for (size_t cut = 0; cut <= rows[i].sent.n; cut++)
			expect(rows[i].sent, cut, rows[i].sent.n, rows[i].max, rows[i].heard);
}

static void byte_by_byte(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++)
		expect(rows[i].sent, 0, 1, rows[i].max, rows[i].heard);
}

static void the_longest_line_there_is(void **state)
{
	(void)state;
	struct str sent = STR_INIT, heard = STR_INIT;
	for (int i = 0; i < STREAM_BUFFER_MAX; i++)
		str_putc(&sent, (char)('a' + i % 26));
	str_add_span(&heard, str_span(&sent));
	str_puts(&sent, "\r\nnext\r\n");
	str_puts(&heard, "|next|");
	expect(str_span(&sent), 1000, 7919, STREAM_BUFFER_MAX, heard.s);
	/* one more is one too many, also when the caller would take it */
	str_reset(&heard);
	str_puts(&heard, "<too long>next|");
	struct str more = STR_INIT;
	str_putc(&more, 'x');
	str_add_span(&more, str_span(&sent));
	expect(str_span(&more), 1000, 7919, 1 << 20, heard.s);
	str_fini(&more);
	str_fini(&sent);
	str_fini(&heard);
}

static void trickle(void *arg)
{
	struct stream *s = stream_new(*(int *)arg);
	for (int i = 0; i < 30000 && stream_state(s) == STREAM_OK; i++) {
		stream_puts(s, "x");
		stream_flush(s);
		if (i % 16 == 0)
			fiber_yield();
	}
	stream_puts(s, "\r\n");
	stream_flush(s);
	stream_close(&s);
}

static void a_trickled_line_arrives(void **state)
{
	(void)state;
	int sv[2];
	struct span line;
	make_pair(sv);
	struct stream *in = stream_new(sv[1]);
	fiber_start("trickle", trickle, &sv[0]);
	assert_int_equal(stream_read_line(in, 60000, &line, NULL), 1);
	assert_int_equal(line.n, 30000);
	stream_close(&in);
	run_fibers();
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(at_every_split_point),
		cmocka_unit_test(byte_by_byte),
		cmocka_unit_test(the_longest_line_there_is),
		cmocka_unit_test(a_trickled_line_arrives),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
