#include "mail/encoded.h"

#include "base/codec.h"
#include "base/utf8.h"
#include "mail/charset.h"
#include "mail/transfer.h"

#define WORD_MAX   75 /* columns of an encoded word (RFC 2047 2) */
#define WORD_FRAME 12 /* what stands around its text */

struct word {
	struct span charset, text;
	bool base64;
	size_t len; /* of the whole word */
};

struct decoder {
	struct str *out;
	struct span in;
	size_t next_end; /* a known place of "?=", or in.n when none follows */
	struct charset *cs;
	struct span cs_name;
};

/* The first place of the two octets at or after from; s.n when there is none. */
static size_t find_pair(struct span s, size_t from, const char *pair)
{
	while (from + 1 < s.n) {
		from = span_index(s, from, pair[0]);
		if (from + 1 < s.n && s.p[from + 1] == pair[1])
			return from;
		from++;
	}
	return s.n;
}

/* The first "?=" at or after from. Remembered, so that many words that never end cost one search.
 */
static size_t find_end(struct decoder *d, size_t from)
{
	if (d->next_end < from || d->next_end == 0)
		d->next_end = find_pair(d->in, from, "?=");
	return d->next_end;
}

/* At "=?": is it an encoded word? */
static bool take_word(struct decoder *d, size_t at, struct word *word_r)
{
	const char *p = d->in.p + at + 2, *end = d->in.p + d->in.n, *q = p;
	while (q < end && q - p < CHARSET_NAME_MAX * 2 && *q != '?' && *q > ' ')
		q++;
	if (end - q < 3 || *q != '?' || q == p || q[2] != '?')
		return false;
	int how = ascii_lower(q[1]);
	struct span charset = span_make(p, (size_t)(q - p));
	size_t text = (size_t)(q + 3 - d->in.p), stop = find_end(d, text);
	if ((how != 'q' && how != 'b') || stop >= d->in.n ||
		find_pair(span_make(d->in.p, stop), text, "=?") < stop)
		return false;
	charset.n = span_index(charset, 0, '*'); /* the language of RFC 2231 5 */
	word_r->charset = charset;
	word_r->text = span_make(d->in.p + text, stop - text);
	word_r->base64 = how == 'b';
	word_r->len = stop + 2 - at;
	return true;
}

static void end_charset(struct decoder *d)
{
	if (d->cs)
		charset_put(d->cs, d->out, SPAN_LIT(""), true);
	charset_close(&d->cs);
}

static void unpack(const struct word *w, struct str *bytes)
{
	struct transfer t;
	transfer_init(&t, w->base64 ? MIME_BASE64 : MIME_QP);
	size_t start = bytes->len;
	if (w->base64) {
		transfer_put(&t, bytes, w->text);
		return;
	}
	str_add_span(bytes, w->text);
	for (size_t i = start; i < bytes->len; i++)
		if (bytes->s[i] == '_')
			bytes->s[i] = ' ';
	struct str coded = *bytes;
	*bytes = STR_INIT;
	transfer_put(&t, bytes, str_span(&coded));
	str_add(bytes, t.held, t.nheld);
	str_fini(&coded);
}

/* A decoded line end or NUL would be a way to inject. */
static void drop_controls(struct str *out, size_t from)
{
	for (size_t i = from; i < out->len; i++)
		if ((unsigned char)out->s[i] < ' ' || out->s[i] == 0x7f)
			out->s[i] = ' ';
}

static void put_word(struct decoder *d, const struct word *w)
{
	struct str bytes = STR_INIT;
	size_t start = d->out->len;
	unpack(w, &bytes);
	if (!d->cs || !span_ieq(d->cs_name, w->charset)) {
		end_charset(d);
		start = d->out->len;
		d->cs = charset_open(w->charset);
		d->cs_name = w->charset;
	}
	if (d->cs)
		charset_put(d->cs, d->out, str_span(&bytes), false);
	else
		charset_put_utf8(d->out, w->charset, str_span(&bytes));
	drop_controls(d->out, start);
	str_fini(&bytes);
}

static void put_plain(struct decoder *d, struct span text)
{
	struct str line = STR_INIT;
	if (!text.n)
		return;
	end_charset(d);
	char *q = str_reserve(&line, text.n);
	for (size_t i = 0; i < text.n; i++)
		if (text.p[i] != '\r' && text.p[i] != '\n' && text.p[i])
			q[line.len++] = text.p[i];
	charset_put_utf8(d->out, SPAN_LIT("utf-8"), str_span(&line));
	str_fini(&line);
}

static bool is_blank(struct span s)
{
	return span_trim(s).n == 0;
}

void encoded_put_decoded(struct str *out, struct span value)
{
	struct decoder d = {.out = out, .in = span_trim(value)};
	size_t from = 0, at = 0;
	bool after_word = false;
	if (!value.n)
		return;
	while ((at = find_pair(d.in, at, "=?")) < d.in.n) {
		struct word w;
		if (!take_word(&d, at, &w)) {
			at += 2;
			continue;
		}
		struct span before = span_make(d.in.p + from, at - from);
		if (!after_word || !is_blank(before))
			put_plain(&d, before);
		put_word(&d, &w);
		after_word = true;
		from = at = at + w.len;
	}
	put_plain(&d, span_make(d.in.p + from, d.in.n - from));
	end_charset(&d);
}

/* Space and what Q takes literally everywhere, also in a phrase (RFC 2047 5 (3)). */
static bool is_q_literal(unsigned char c)
{
	return ascii_is_alnum(c) || c == '!' || c == '*' || c == '+' || c == '-' || c == '/';
}

static size_t q_cost(unsigned char c)
{
	return is_q_literal(c) || c == ' ' ? 1 : 3;
}

static void put_q(struct str *out, struct span text)
{
	for (size_t i = 0; i < text.n; i++) {
		unsigned char c = (unsigned char)text.p[i];
		if (c == ' ')
			str_putc(out, '_');
		else if (is_q_literal(c))
			str_putc(out, (char)c);
		else
			str_printf(out, "=%02X", c);
	}
}

/* How many octets of whole characters fit into room columns. */
static size_t fit(struct span text, size_t room, bool q)
{
	size_t n = 0, used = 0;
	while (n < text.n) {
		uint32_t cp;
		int len = utf8_next(span_make(text.p + n, text.n - n), &cp);
		size_t step = len < 1 ? 1 : (size_t)len;
		for (size_t i = 0; i < step; i++)
			used += q ? q_cost((unsigned char)text.p[n + i]) : 0;
		if (q ? used > room : (n + step + 2) / 3 * 4 > room)
			break;
		n += step;
	}
	return n;
}

static void put_words(struct str *out, struct span text)
{
	size_t q_total = 0;
	for (size_t i = 0; i < text.n; i++)
		q_total += q_cost((unsigned char)text.p[i]);
	bool q = q_total <= (text.n + 2) / 3 * 4;
	while (text.n) {
		size_t n = fit(text, WORD_MAX - WORD_FRAME, q);
		str_puts(out, q ? "=?utf-8?q?" : "=?utf-8?b?");
		if (q)
			put_q(out, span_make(text.p, n));
		else
			base64_put(out, span_make(text.p, n));
		str_puts(out, "?=");
		text = span_make(text.p + n, text.n - n);
		if (text.n)
			str_putc(out, ' ');
	}
}

static bool needs_encoding(struct span word)
{
	for (size_t i = 0; i < word.n; i++)
		if ((unsigned char)word.p[i] >= 0x7f || (unsigned char)word.p[i] < ' ')
			return true;
	return word.n > 400 || (find_pair(word, 0, "=?") < word.n);
}

/* From the first word that needs it to the last, so that the spaces between survive. */
void encoded_put(struct str *out, struct span utf8)
{
	struct span rest = utf8, word;
	const char *first = NULL, *last = NULL;
	while (span_split(&rest, ' ', &word)) {
		if (!needs_encoding(word))
			continue;
		first = first ? first : word.p;
		last = word.p + word.n;
	}
	if (!first) {
		str_add_span(out, utf8);
		return;
	}
	struct str clean = STR_INIT;
	utf8_put_clean(&clean, span_make(first, (size_t)(last - first)));
	str_add(out, utf8.p, (size_t)(first - utf8.p));
	put_words(out, str_span(&clean));
	str_add(out, last, (size_t)(utf8.p + utf8.n - last));
	str_fini(&clean);
}

void encoded_put_phrase(struct str *out, struct span utf8)
{
	bool atoms = true;
	for (size_t i = 0; i < utf8.n; i++)
		atoms &= ascii_is_alnum(utf8.p[i]) || (utf8.p[i] && strchr(" -_'!+/", utf8.p[i]));
	if (needs_encoding(utf8)) {
		struct str clean = STR_INIT;
		utf8_put_clean(&clean, utf8);
		put_words(out, str_span(&clean));
		str_fini(&clean);
	} else if (atoms) {
		str_add_span(out, utf8);
	} else {
		str_putc(out, '"');
		for (size_t i = 0; i < utf8.n; i++) {
			if (utf8.p[i] == '"' || utf8.p[i] == '\\')
				str_putc(out, '\\');
			str_putc(out, utf8.p[i]);
		}
		str_putc(out, '"');
	}
}
