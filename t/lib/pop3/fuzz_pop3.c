/* Command lines are a verb and a rest of themselves; a message sent in pieces of any size reads back as it was, and TOP
 * sends a beginning of it. First octet: size of the pieces; second: lines for TOP. */
#include <stdlib.h>

#include "pop3/command.h"
#include "pop3/dots.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void command(struct span line)
{
	struct pop3_command c;
	uint32_t v[2] = {0};
	if (!pop3_parse_command(line, &c))
		return;
	if (!c.verb.n || c.verb.p != line.p || c.verb.n + c.rest.n > line.n)
		abort();
	for (unsigned n = 1; n <= 2; n++)
		if (pop3_parse_numbers(c.rest, v, n, 1) && v[0] == 0)
			abort();
}

static void put(struct pop3_dots *d, struct span message, size_t piece, struct str *out)
{
	bool more = true;
	for (size_t at = 0; at < message.n && more; at += piece)
		more = pop3_dots_put(d,
			span_make(message.p + at, message.n - at < piece ? message.n - at : piece), out);
	pop3_dots_end(d, out);
}

/* What a client makes of the reply: stuffing removed, up to the dot that must be the last line. */
static void read_back(struct span reply, struct str *out)
{
	for (;;) {
		size_t end = span_index(reply, 0, '\n');
		if (end == reply.n)
			abort();
		struct span line = span_make(reply.p, end + 1);
		reply = span_make(reply.p + end + 1, reply.n - end - 1);
		if (span_is(line, ".\r\n"))
			break;
		if (line.p[0] == '.')
			line = span_make(line.p + 1, line.n - 1);
		str_add_span(out, line);
	}
	if (reply.n)
		abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	if (size < 2)
		return 0;
	struct span text = span_make(data + 2, size - 2);
	struct str whole = STR_INIT, back = STR_INIT, top = STR_INIT;
	struct pop3_dots d;
	command(text);

	pop3_dots_init(&d);
	put(&d, text, (size_t)data[0] + 1, &whole);
	read_back(str_span(&whole), &back);
	bool ended = !text.n || text.p[text.n - 1] == '\n';
	if (back.len != text.n + (ended ? 0 : 2) || (text.n && memcmp(back.s, text.p, text.n) != 0))
		abort();

	pop3_dots_init_top(&d, data[1]);
	put(&d, text, (size_t)data[0] + 1, &top);
	str_reset(&back);
	read_back(str_span(&top), &back);
	if (back.len > text.n + 2 || (back.len > 2 && memcmp(back.s, text.p, back.len - 2) != 0))
		abort();
	str_fini(&whole);
	str_fini(&back);
	str_fini(&top);
	return 0;
}
