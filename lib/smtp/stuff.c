/* The writing half of smtp/data.h. */
#include "smtp/data.h"

enum state {
	AT_LINE, /* zero: what smtp_stuff_init sets */
	DOT_PUT, /* its first octet is a dot and has been doubled */
	IN_LINE,
	AFTER_CR,
};

static bool emit(struct smtp_stuff *s, enum state next, struct span run, struct span *run_r)
{
	s->state = next;
	*run_r = run;
	return true;
}

static void take(struct span *chunk, size_t n)
{
	chunk->p += n;
	chunk->n -= n;
}

/* Lines that leave as they are: up to a line that starts with a dot, a bare CR or a bare LF. */
static bool lines(struct smtp_stuff *s, struct span *chunk, struct span *run_r)
{
	const char *start = chunk->p, *end = start + chunk->n, *p = start, *stop;
	enum state next = IN_LINE;
	for (;;) {
		const char *lf = memchr(p, '\n', (size_t)(end - p));
		const char *cr = memchr(p, '\r', (size_t)((lf ? lf : end) - p));
		if (!lf || !cr || cr + 1 != lf) {
			stop = cr ? cr : lf ? lf : end;
			break;
		}
		p = lf + 1;
		if (p == end || *p == '.') {
			stop = p;
			next = AT_LINE;
			break;
		}
	}
	struct span run = span_make(start, (size_t)(stop - start));
	take(chunk, run.n);
	return emit(s, next, run, run_r);
}

static bool in_line(struct smtp_stuff *s, struct span *chunk, struct span *run_r)
{
	char c = chunk->p[0];
	if (c == '\n') {
		take(chunk, 1);
		return emit(s, AT_LINE, SPAN_LIT("\r\n"), run_r);
	}
	if (c == '\r') {
		take(chunk, 1);
		s->state = AFTER_CR;
		return false;
	}
	return lines(s, chunk, run_r);
}

bool smtp_stuff_next(struct smtp_stuff *s, struct span *chunk, struct span *run_r)
{
	while (chunk->n) {
		switch ((enum state)s->state) {
		case AT_LINE:
			if (chunk->p[0] == '.')
				return emit(s, DOT_PUT, SPAN_LIT("."), run_r);
			s->state = IN_LINE;
			break;
		case DOT_PUT:
		case IN_LINE:
			s->state = IN_LINE;
			if (in_line(s, chunk, run_r))
				return true;
			break;
		case AFTER_CR:
			if (chunk->p[0] != '\n')
				return emit(s, IN_LINE, SPAN_LIT(" "), run_r);
			take(chunk, 1);
			return emit(s, AT_LINE, SPAN_LIT("\r\n"), run_r);
		}
	}
	return false;
}

struct span smtp_stuff_end(struct smtp_stuff *s)
{
	return s->state == AT_LINE ? SPAN_LIT(".\r\n") : SPAN_LIT("\r\n.\r\n");
}
