#include "imap/reader.h"

#include "base/num.h"

#define KEEP_HEAD 128  /* of a command that is read over: its tag */
#define KEEP_IDLE 1024 /* memory kept between commands */

enum { LINE, TAKE, SKIP_LITERAL, ANNOUNCED, OVER, LOST };

void imap_reader_init(struct imap_reader *r, size_t literal_max)
{
	*r = (struct imap_reader){
		.literal_max = literal_max, .command_max = IMAP_COMMAND_MAX};
}

void imap_reader_fini(struct imap_reader *r)
{
	str_fini(&r->text);
}

void imap_reader_reset(struct imap_reader *r)
{
	str_reset(&r->text);
	str_shrink(&r->text, KEEP_IDLE);
	r->state = LINE;
	r->line_at = 0;
	r->broke = NULL;
}

bool imap_reader_is_idle(const struct imap_reader *r)
{
	return r->state == LINE && r->text.len == 0;
}

/* "{123}" or "{123+}" at the end of the line. */
static bool literal_of(struct span line, uint64_t *n_r, bool *sync_r)
{
	if (line.n < 3 || line.p[line.n - 1] != '}')
		return false;
	size_t end = line.n - 1;
	*sync_r = line.p[end - 1] != '+';
	if (!*sync_r)
		end--;
	size_t from = end;
	while (from > 0 && ascii_is_digit(line.p[from - 1]) && end - from < 20)
		from--;
	if (from == 0 || line.p[from - 1] != '{')
		return false;
	return num_parse_u64(span_make(line.p + from, end - from), UINT64_MAX, n_r);
}

static void add_tail(struct imap_reader *r, struct span in)
{
	size_t n = num_min(in.n, sizeof(r->tail)), keep = num_min(r->tail_n, sizeof(r->tail) - n);

	memmove(r->tail, r->tail + r->tail_n - keep, keep);
	if (n)
		memcpy(r->tail + keep, in.p + in.n - n, n);
	r->tail_n = keep + n;
}

/* From now on nothing is kept but the head of the command and the tail of its line. */
static void start_skipping(struct imap_reader *r, const char *why)
{
	r->broke = why;
	r->tail_n = 0;
	add_tail(r, span_make(r->text.s + r->line_at, r->text.len - r->line_at));
	str_truncate(&r->text, KEEP_HEAD);
}

static void add_skipped(struct imap_reader *r, struct span in)
{
	add_tail(r, in);
	if (r->text.len < KEEP_HEAD)
		str_add(&r->text, in.p, num_min(in.n, KEEP_HEAD - r->text.len));
}

static enum imap_read skipped_line_end(struct imap_reader *r)
{
	struct span line = span_make(r->tail, r->tail_n);

	if (line.n && line.p[line.n - 1] == '\r')
		line.n--;
	if (r->text.len && r->text.s[r->text.len - 1] == '\r')
		str_truncate(&r->text, r->text.len - 1);
	r->tail_n = 0;
	r->state = OVER;
	if (!literal_of(line, &r->literal, &r->sync) || r->sync)
		return IMAP_READ_LIMIT;
	if (r->literal > IMAP_SKIP_MAX) {
		r->state = LOST;
		return IMAP_READ_LOST;
	}
	r->left = r->literal;
	r->state = SKIP_LITERAL;
	return IMAP_READ_MORE;
}

/* In the line, or the literal, that is being read. */
static bool has_nul(const struct imap_reader *r)
{
	return r->text.len > r->line_at &&
	       memchr(r->text.s + r->line_at, '\0', r->text.len - r->line_at);
}

static enum imap_read line_end(struct imap_reader *r)
{
	if (!r->broke && has_nul(r))
		start_skipping(r, "A command can hold no NUL.");
	if (r->broke)
		return skipped_line_end(r);
	if (r->text.len > r->line_at && r->text.s[r->text.len - 1] == '\r')
		str_truncate(&r->text, r->text.len - 1);
	struct span line = span_make(str_c(&r->text) + r->line_at, r->text.len - r->line_at);
	if (literal_of(line, &r->literal, &r->sync)) {
		r->state = ANNOUNCED;
		return IMAP_READ_LITERAL;
	}
	r->state = OVER;
	return IMAP_READ_DONE;
}

static enum imap_read feed_line(struct imap_reader *r, struct span in, size_t *used_r)
{
	const char *lf = memchr(in.p, '\n', in.n);
	struct span part = span_make(in.p, lf ? (size_t)(lf - in.p) : in.n);

	if (!r->broke && r->text.len - r->line_at + part.n > IMAP_LINE_MAX)
		start_skipping(r, "The command line is too long.");
	if (!r->broke && r->text.len + part.n > r->command_max)
		start_skipping(r, "The command is too long.");
	if (r->broke)
		add_skipped(r, part);
	else
		str_add_span(&r->text, part);
	*used_r = part.n + (lf != NULL);
	return lf ? line_end(r) : IMAP_READ_MORE;
}

static void feed_literal(struct imap_reader *r, struct span in, size_t *used_r)
{
	size_t n = r->left < in.n ? (size_t)r->left : in.n;

	if (r->state == TAKE)
		str_add(&r->text, in.p, n);
	*used_r = n;
	r->left -= n;
	if (r->left == 0) {
		if (r->state == TAKE && has_nul(r))
			start_skipping(r, "A command can hold no NUL.");
		r->line_at = r->text.len;
		r->tail_n = 0;
		r->state = LINE;
	}
}

enum imap_read imap_reader_feed(struct imap_reader *r, struct span in, size_t *used_r)
{
	enum imap_read rc = IMAP_READ_MORE;
	size_t used = 0;

	if (r->state == OVER || r->state == LOST) /* a refused synchronising literal */
		rc = r->state == OVER ? IMAP_READ_LIMIT : IMAP_READ_LOST;
	while (rc == IMAP_READ_MORE && used < in.n) {
		struct span rest = span_make(in.p + used, in.n - used);
		size_t n;
		if (r->state == TAKE || r->state == SKIP_LITERAL)
			feed_literal(r, rest, &n);
		else
			rc = feed_line(r, rest, &n);
		used += n;
	}
	*used_r = used;
	return rc;
}

bool imap_reader_take(struct imap_reader *r)
{
	const char *why = NULL;

	if (r->literal > r->literal_max)
		why = "The literal is too long.";
	else if (r->text.len + r->literal + 2 > r->command_max)
		why = "The command is too long.";
	if (why) {
		imap_reader_refuse(r, why);
		return false;
	}
	str_puts(&r->text, "\r\n");
	r->line_at = r->text.len;
	r->left = r->literal;
	r->state = r->left ? TAKE : LINE;
	return true;
}

void imap_reader_stream(struct imap_reader *r)
{
	str_reset(&r->text);
	r->line_at = 0;
	r->state = LINE;
}

void imap_reader_refuse(struct imap_reader *r, const char *why)
{
	start_skipping(r, why);
	r->tail_n = 0; /* that literal is dealt with */
	r->left = r->literal;
	r->state = r->sync                        ? OVER
		   : r->literal > IMAP_SKIP_MAX ? LOST
		   : r->left                      ? SKIP_LITERAL
						  : LINE;
}
