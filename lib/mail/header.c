#include "mail/header.h"

#include "base/log.h"
#include "mail/encoded.h"

void header_reader_init(struct header_reader *r, struct span message)
{
	r->p = r->end = message.p;
	if (message.n) /* an empty one may have no place */
		r->end += message.n;
}

/* Where the line at p ends, its line end included. */
static const char *line_end(const char *p, const char *end)
{
	const char *nl = memchr(p, '\n', (size_t)(end - p));
	return nl ? nl + 1 : end;
}

static bool is_empty_line(const char *p, const char *end)
{
	return *p == '\n' || (*p == '\r' && end - p > 1 && p[1] == '\n');
}

/* "Name :" at the start of line: the name, empty when there is none; *colon_r behind the colon. */
static struct span take_name(const char *p, const char *end, const char **colon_r)
{
	const char *q = p;
	while (q<end && * q> ' ' && *q < 0x7f && *q != ':')
		q++;
	struct span name = span_make(p, (size_t)(q - p));
	while (q < end && (*q == ' ' || *q == '\t'))
		q++;
	*colon_r = q + 1;
	return q < end && *q == ':' ? name : span_make(p, 0);
}

bool header_read(struct header_reader *r, struct header_field *field_r)
{
	const char *start = r->p, *value, *stop;
	if (start == r->end)
		return false;
	if (is_empty_line(start, r->end)) {
		r->p += *start == '\r' ? 2 : 1;
		r->end = r->p;
		return false;
	}
	do
		r->p = line_end(r->p, r->end);
	while (r->p < r->end && (*r->p == ' ' || *r->p == '\t'));
	field_r->whole = span_make(start, (size_t)(r->p - start));
	field_r->name = take_name(start, r->p, &value);
	if (!field_r->name.n)
		value = start;
	stop = r->p;
	if (stop > value && stop[-1] == '\n' && --stop > value && stop[-1] == '\r')
		stop--;
	field_r->value = span_make(value, (size_t)(stop - value));
	return true;
}

size_t header_length(struct span message)
{
	const char *p = message.p, *end = message.p + message.n;
	while (p < end) {
		if (is_empty_line(p, end))
			return (size_t)(p - message.p) + (*p == '\r' ? 2 : 1);
		p = line_end(p, end);
	}
	return message.n;
}

int header_find(struct span message, const char *name, struct span *value_r)
{
	struct header_reader r;
	struct header_field f;
	struct span want = span_of(name);
	header_reader_init(&r, message);
	while (header_read(&r, &f)) {
		if (span_ieq(f.name, want) && want.n) {
			*value_r = span_trim(f.value);
			return 1;
		}
	}
	return 0;
}

unsigned header_count(struct span message, const char *name)
{
	struct header_reader r;
	struct header_field f;
	struct span want = span_of(name);
	unsigned n = 0;
	header_reader_init(&r, message);
	while (header_read(&r, &f))
		n += want.n && span_ieq(f.name, want);
	return n;
}

void header_put_unfolded(struct str *out, struct span value)
{
	value = span_trim(value);
	char *q = str_reserve(out, value.n);
	size_t n = 0;
	for (size_t i = 0; i < value.n; i++)
		if (value.p[i] != '\r' && value.p[i] != '\n' && value.p[i])
			q[n++] = value.p[i];
	q[n] = '\0';
	out->len += n;
}

/* Puts a space and a word, or breaks the line before them; a word that no line holds is broken by
 * force. The first word stays on the line of the name. Returns the column. */
static size_t put_word(struct str *out, struct span word, size_t column, bool first)
{
	if (!first && column + 1 + word.n > HEADER_FOLD_AT) {
		str_puts(out, "\r\n");
		column = 0;
	}
	str_putc(out, ' ');
	column++;
	while (column + word.n > HEADER_LINE_MAX) {
		size_t n = HEADER_LINE_MAX - column;
		str_add(out, word.p, n);
		str_puts(out, "\r\n ");
		word = span_make(word.p + n, word.n - n);
		column = 1;
	}
	str_add_span(out, word);
	return column + word.n;
}

static void check_name(const char *name)
{
	const char *p = name;
	while (*p > ' ' && *p < 0x7f && *p != ':')
		p++;
	if (p == name || *p)
		log_panic("\"%s\" is no header field name", log_q(name));
}

/* White space of the value is where lines may break; controls count as white space, and runs of it
 * become one space, so that no line of white space alone can come out. */
static bool is_break(char c)
{
	return (unsigned char)c <= ' ' || c == 0x7f;
}

void header_put(struct str *out, const char *name, struct span value)
{
	check_name(name);
	str_puts(out, name);
	str_putc(out, ':');
	size_t column = strlen(name) + 1;
	bool first = true;
	for (size_t i = 0; i < value.n;) {
		size_t start = i;
		while (i < value.n && !is_break(value.p[i]))
			i++;
		if (i > start) {
			column =
				put_word(out, span_make(value.p + start, i - start), column, first);
			first = false;
		}
		while (i < value.n && is_break(value.p[i]))
			i++;
	}
	str_puts(out, "\r\n");
}

void header_put_text(struct str *out, const char *name, struct span text, bool utf8)
{
	struct str value = STR_INIT;
	if (utf8)
		str_add_span(&value, text);
	else
		encoded_put(&value, text);
	header_put(out, name, str_span(&value));
	str_fini(&value);
}

bool header_next_msgid(struct span *rest, struct span *id_r)
{
	const char *p = rest->p, *end = rest->p + rest->n;
	while (p < end && (p = memchr(p, '<', (size_t)(end - p)))) {
		const char *q = p + 1;
		while (q < end && *q != '>' && *q != '<')
			q++;
		if (q == end)
			break;
		if (*q == '>' && q > p + 1) {
			*id_r = span_make(p, (size_t)(q + 1 - p));
			*rest = span_make(q + 1, (size_t)(end - q - 1));
			return true;
		}
		p = *q == '<' ? q : q + 1;
	}
	*rest = span_make(end, 0);
	return false;
}
