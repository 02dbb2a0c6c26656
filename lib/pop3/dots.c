#include "pop3/dots.h"

void pop3_dots_init(struct pop3_dots *d)
{
	*d = (struct pop3_dots){0};
}

void pop3_dots_init_top(struct pop3_dots *d, uint32_t lines)
{
	*d = (struct pop3_dots){.limited = true, .lines_left = lines};
}

/* A line has ended; is there more to send? An empty line ends the header. */
static bool line_ended(struct pop3_dots *d)
{
	bool empty = d->line_octets == 1 || (d->line_octets == 2 && d->line_first == '\r');
	d->line_octets = 0;
	if (!d->limited)
		return true;
	if (d->in_body)
		return --d->lines_left > 0;
	d->in_body = empty;
	return !empty || d->lines_left > 0;
}

bool pop3_dots_put(struct pop3_dots *d, struct span piece, struct str *out)
{
	while (piece.n && !d->done) {
		size_t end = span_index(piece, 0, '\n');
		size_t n = end < piece.n ? end + 1 : piece.n;
		if (!d->line_octets) {
			d->line_first = piece.p[0];
			if (piece.p[0] == '.')
				str_putc(out, '.');
		}
		str_add(out, piece.p, n);
		d->line_octets += n;
		if (end < piece.n)
			d->done = !line_ended(d);
		piece.p += n;
		piece.n -= n;
	}
	return !d->done;
}

void pop3_dots_end(struct pop3_dots *d, struct str *out)
{
	if (d->line_octets)
		str_puts(out, "\r\n");
	str_puts(out, ".\r\n");
}
