#include "smtp/data.h"

enum state {
	IN_LINE,
	AFTER_CR,
	AT_LINE,         /* after CRLF, or at the very start */
	AFTER_DOT,
	AFTER_DOT_CR,
	AT_LF_LINE,      /* after a bare LF: a dot may be taken off, but never ends */
	AFTER_LF_DOT,
	AFTER_LF_DOT_CR,
};

void smtp_data_init(struct smtp_data *d)
{
	*d = (struct smtp_data){.state = AT_LINE};
}

void smtp_data_init_raw(struct smtp_data *d)
{
	*d = (struct smtp_data){.state = IN_LINE, .raw = true};
}

static void take(struct span *chunk, size_t n)
{
	chunk->p += n;
	chunk->n -= n;
}

static enum smtp_data_step emit(
	struct smtp_data *d, enum state next, struct span run, struct span *run_r)
{
	d->state = next;
	d->size += run.n;
	*run_r = run;
	return SMTP_DATA_RUN;
}

static enum smtp_data_step bare_cr(struct smtp_data *d, struct span *run_r)
{
	d->seen |= SMTP_SEEN_BARE_CR;
	d->line++;
	return emit(d, IN_LINE, SPAN_LIT("\r"), run_r);
}

/* Notes what is wrong with [p, p + n), a piece of one line without its line end. */
static void note(struct smtp_data *d, const char *p, size_t n)
{
	d->line += n;
	if (d->line > SMTP_DATA_LINE_MAX)
		d->seen |= SMTP_SEEN_LONG_LINE;
	if (!(d->seen & SMTP_SEEN_BARE_CR) && memchr(p, '\r', n))
		d->seen |= SMTP_SEEN_BARE_CR;
}

/* Does the run have to stop before this octet, the first of a line? */
static bool is_special_start(const struct smtp_data *d, char c)
{
	return c == '.' && !d->raw;
}

/* As many whole lines as stand in the chunk unchanged, and the start of the next. */
static enum smtp_data_step lines(struct smtp_data *d, struct span *chunk, struct span *run_r)
{
	const char *start = chunk->p, *end = start + chunk->n, *p = start, *stop;
	enum state next = IN_LINE;
	size_t skip = 0;
	for (;;) {
		const char *lf = memchr(p, '\n', (size_t)(end - p));
		if (!lf) {
			bool held = end > p && end[-1] == '\r';
			note(d, p, (size_t)(end - p) - held);
			stop = end - held;
			skip = held;
			next = held ? AFTER_CR : IN_LINE;
			break;
		}
		if (lf == p || lf[-1] != '\r') { /* bare: the run ends here, the next is CRLF */
			note(d, p, (size_t)(lf - p));
			stop = lf;
			break;
		}
		note(d, p, (size_t)(lf - p) - 1);
		d->line = 0;
		p = lf + 1;
		if (p == end || is_special_start(d, *p)) {
			stop = p;
			next = d->raw ? IN_LINE : AT_LINE;
			break;
		}
	}
	struct span run = span_make(start, (size_t)(stop - start));
	if (!(d->seen & SMTP_SEEN_NUL) && memchr(run.p, 0, run.n))
		d->seen |= SMTP_SEEN_NUL;
	take(chunk, run.n + skip);
	return emit(d, next, run, run_r);
}

static enum smtp_data_step in_line(struct smtp_data *d, struct span *chunk, struct span *run_r)
{
	if (chunk->p[0] != '\n')
		return lines(d, chunk, run_r);
	take(chunk, 1);
	d->seen |= SMTP_SEEN_BARE_LF;
	d->line = 0;
	return emit(d, d->raw ? IN_LINE : AT_LF_LINE, SPAN_LIT("\r\n"), run_r);
}

static enum smtp_data_step after_cr(struct smtp_data *d, struct span *chunk, struct span *run_r)
{
	if (chunk->p[0] != '\n')
		return bare_cr(d, run_r);
	take(chunk, 1);
	d->line = 0;
	return emit(d, d->raw ? IN_LINE : AT_LINE, SPAN_LIT("\r\n"), run_r);
}

/* States in which no octet is returned: a dot at the start of a line is held back until the next
 * one. */
static enum smtp_data_step after_dot(struct smtp_data *d, struct span *chunk, struct span *run_r)
{
	if (chunk->p[0] == '\r') {
		take(chunk, 1);
		d->state = d->state == AFTER_DOT ? AFTER_DOT_CR : AFTER_LF_DOT_CR;
		return SMTP_DATA_NEED;
	}
	if (chunk->p[0] == '\n') { /* a dot alone that ends nothing stays a dot */
		d->line++;
		return emit(d, IN_LINE, SPAN_LIT("."), run_r);
	}
	d->state = IN_LINE;
	return SMTP_DATA_NEED;
}

static enum smtp_data_step after_dot_cr(struct smtp_data *d, struct span *chunk, struct span *run_r)
{
	if (chunk->p[0] != '\n')
		return bare_cr(d, run_r);
	take(chunk, 1);
	if (d->state == AFTER_DOT_CR)
		return SMTP_DATA_END;
	return emit(d, AT_LINE, SPAN_LIT(".\r\n"), run_r);
}

static enum smtp_data_step at_line(struct smtp_data *d, struct span *chunk)
{
	if (chunk->p[0] == '.') {
		take(chunk, 1);
		d->state = d->state == AT_LINE ? AFTER_DOT : AFTER_LF_DOT;
	} else {
		d->state = IN_LINE;
	}
	return SMTP_DATA_NEED;
}

static enum smtp_data_step one_step(struct smtp_data *d, struct span *chunk, struct span *run_r)
{
	switch ((enum state)d->state) {
	case IN_LINE:
		return in_line(d, chunk, run_r);
	case AFTER_CR:
		return after_cr(d, chunk, run_r);
	case AT_LINE:
	case AT_LF_LINE:
		return at_line(d, chunk);
	case AFTER_DOT:
	case AFTER_LF_DOT:
		return after_dot(d, chunk, run_r);
	case AFTER_DOT_CR:
	case AFTER_LF_DOT_CR:
		return after_dot_cr(d, chunk, run_r);
	}
	return SMTP_DATA_NEED;
}

enum smtp_data_step smtp_data_next(struct smtp_data *d, struct span *chunk, struct span *run_r)
{
	enum smtp_data_step step = SMTP_DATA_NEED;
	while (chunk->n && step == SMTP_DATA_NEED) {
		step = one_step(d, chunk, run_r);
		if (step == SMTP_DATA_RUN && !run_r->n) /* only a CR, held back */
			step = SMTP_DATA_NEED;
	}
	return step;
}

bool smtp_data_finish_raw(struct smtp_data *d, struct span *run_r)
{
	return d->state == AFTER_CR && bare_cr(d, run_r) == SMTP_DATA_RUN;
}
