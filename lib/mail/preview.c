#include "mail/preview.h"

#include "base/array.h"
#include "base/num.h"
#include "base/utf8.h"
#include "mail/charset.h"
#include "mail/transfer.h"

/* Collapses white space and counts characters. */
struct sink {
	struct str *out;
	size_t start, left;
	bool space;
};

static bool is_space(unsigned char c)
{
	return c <= ' ' || c == 0x7f;
}

static void sink_space(struct sink *s)
{
	s->space = s->out->len > s->start;
}

/* Characters without white space: n octets of them. */
static void sink_put(struct sink *s, const char *p, size_t n, size_t characters)
{
	if (s->space && s->left > 1) {
		str_putc(s->out, ' ');
		s->left--;
	}
	s->space = false;
	str_add(s->out, p, n);
	s->left -= characters;
}

/* At text.p + i: takes a space, one character, or a run of ASCII up to a space, stop or the room
 * that is left; returns what follows. */
static size_t sink_take(struct sink *s, struct span text, size_t i, const char stop[2])
{
	size_t start = i, room = s->left - (s->space && s->left > 1);
	uint32_t cp;
	if (is_space((unsigned char)text.p[i])) {
		sink_space(s);
		return i + 1;
	}
	while (i < text.n && i - start < room && text.p[i] > ' ' && text.p[i] != 0x7f &&
		((text.p[i] != stop[0] && text.p[i] != stop[1]) || i == start))
		i++;
	if (i > start) {
		sink_put(s, text.p + start, i - start, i - start);
		return i;
	}
	int n = utf8_next(span_make(text.p + i, text.n - i), &cp);
	n = n < 1 ? 1 : n;
	sink_put(s, text.p + i, (size_t)n, 1);
	return i + (size_t)n;
}

static void put_plain(struct sink *s, struct span text)
{
	bool line_start = true;
	for (size_t i = 0; i < text.n && s->left;) {
		if (line_start && text.p[i] == '>') {
			i = span_index(text, i, '\n');
			continue;
		}
		line_start = text.p[i] == '\n';
		i = sink_take(s, text, i, "\n\n");
	}
}

/* The name in "<name ..." or "</name". */
static struct span tag_name(struct span tag)
{
	size_t at = tag.n > 1 && tag.p[1] == '/' ? 2 : 1, n = at;
	while (n < tag.n && ascii_is_alnum(tag.p[n]))
		n++;
	return span_make(tag.p + num_min(at, tag.n), n > at ? n - at : 0);
}

static bool is_one_of(struct span name, const char *const *names)
{
	for (; *names; names++)
		if (span_iis(name, *names))
			return true;
	return false;
}

/* Behind the end tag of an element whose content isn't text. */
static size_t skip_element(struct span text, size_t at, struct span name)
{
	while (at < text.n) {
		at = span_index(text, at, '<');
		struct span rest = span_make(text.p + at, text.n - at);
		if (rest.n > 1 && rest.p[1] == '/' && span_ieq(tag_name(rest), name))
			return span_index(text, at, '>');
		at++;
	}
	return text.n;
}

/* At '<': what follows the tag. Tags inside a word leave no gap. */
static size_t skip_tag(struct sink *s, struct span text, size_t at)
{
	static const char *const inside_words[] = {"a", "abbr", "b", "em", "font", "i", "s", "span",
		"strong", "sub", "sup", "u", NULL};
	static const char *const hidden[] = {"head", "script", "style", "title", NULL};
	struct span rest = span_make(text.p + at, text.n - at);
	struct span name = tag_name(rest);
	if (rest.n > 3 && memcmp(rest.p, "<!--", 4) == 0) {
		const char *end = memmem(rest.p + 4, rest.n - 4, "-->", 3);
		return end ? (size_t)(end + 3 - text.p) : text.n;
	}
	size_t end = span_index(text, at, '>');
	if (rest.n > 1 && rest.p[1] != '/' && is_one_of(name, hidden))
		end = skip_element(text, end, name);
	if (!is_one_of(name, inside_words))
		sink_space(s);
	return end < text.n ? end + 1 : text.n;
}

/* At '&': puts the character meant and returns what follows, or 0 when it is none. */
static size_t put_entity(struct sink *s, struct span text, size_t at)
{
	static const struct {
		const char *name;
		uint32_t cp;
	} rows[] = {{"amp", '&'}, {"lt", '<'}, {"gt", '>'}, {"quot", '"'}, {"apos", '\''},
		{"nbsp", ' '}, {"ndash", 0x2013}, {"mdash", 0x2014}, {"rsquo", 0x2019},
		{"lsquo", 0x2018}, {"rdquo", 0x201d}, {"ldquo", 0x201c}, {"hellip", 0x2026},
		{"zwnj", ' '}, {"copy", 0xa9}, {"euro", 0x20ac}};
	size_t end = at + 1;
	while (end < text.n && end - at < 10 && text.p[end] != ';')
		end++;
	if (end >= text.n || text.p[end] != ';')
		return 0;
	struct span name = span_make(text.p + at + 1, end - at - 1);
	uint64_t cp = 0;
	if (name.n > 2 && name.p[0] == '#' && ascii_lower(name.p[1]) == 'x')
		num_parse_hex(span_make(name.p + 2, name.n - 2), &cp);
	else if (name.n > 1 && name.p[0] == '#')
		num_parse_u64(span_make(name.p + 1, name.n - 1), 0x10ffff, &cp);
	for (size_t i = 0; i < COUNT_OF(rows); i++)
		if (span_is(name, rows[i].name))
			cp = rows[i].cp;
	if (!cp || cp > 0x10ffff)
		return 0;
	if (cp <= ' ' || cp == 0x7f || cp == 0xa0 || cp == 0x200c || cp == 0x34f) {
		sink_space(s);
		return end + 1;
	}
	struct str c = STR_INIT;
	utf8_put(&c, (uint32_t)cp);
	sink_put(s, c.s, c.len, 1);
	str_fini(&c);
	return end + 1;
}

static void put_html(struct sink *s, struct span text)
{
	for (size_t i = 0; i < text.n && s->left;) {
		size_t after = text.p[i] == '&' ? put_entity(s, text, i) : 0;
		if (after) {
			i = after;
		} else if (text.p[i] == '<') {
			i = skip_tag(s, text, i);
		} else {
			i = sink_take(s, text, i, "<&");
		}
	}
}

static const struct mime_part *find_text(const struct mime *m, const char *subtype)
{
	for (uint32_t i = 0; i < m->n; i++) {
		const struct mime_part *part = &m->parts[i];
		if (part->kind == MIME_TEXT && span_iis(part->subtype, subtype) &&
			!span_iis(part->disposition, "attachment") && part->body_len)
			return part;
	}
	return NULL;
}

/* The cut may have gone through a character of UTF-8: takes the last one off. */
static struct span without_last(struct span s)
{
	for (int back = 0; back < 3 && s.n && (s.p[s.n - 1] & 0xc0) == 0x80; back++)
		s.n--;
	if (s.n && (s.p[s.n - 1] & 0x80))
		s.n--;
	return s;
}

static void put_part(
	struct sink *s, const struct mime *m, const struct mime_part *part, size_t max, bool html)
{
	struct transfer t;
	struct str bytes = STR_INIT, text = STR_INIT;
	struct span body = mime_part_body(m, part);
	bool cut = body.n > max;
	body.n = num_min(body.n, max);
	transfer_init(&t, mime_part_encoding(part));
	transfer_put(&t, &bytes, body);
	if (!cut)
		transfer_end(&t, &bytes);
	struct span whole = str_span(&bytes);
	if (cut)
		whole = without_last(whole);
	charset_put_utf8(&text, mime_part_charset(part), whole);
	if (html)
		put_html(s, str_span(&text));
	else
		put_plain(s, str_span(&text));
	str_fini(&bytes);
	str_fini(&text);
}

void preview_put(struct str *out, const struct mime *m, size_t max)
{
	struct sink s = {.out = out, .start = out->len, .left = max};
	const struct mime_part *part = find_text(m, "plain");
	if (part)
		put_part(&s, m, part, PREVIEW_PLAIN_MAX, false);
	if (out->len == s.start && (part = find_text(m, "html")))
		put_part(&s, m, part, PREVIEW_HTML_MAX, true);
}
