#include "imap/utf7.h"

#include "base/utf8.h"

static const char alphabet[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+,";

static int value_of(char c)
{
	const char *at = c ? strchr(alphabet, c) : NULL;

	return at ? (int)(at - alphabet) : -1;
}

/* One UTF-16 unit joins *high, the first half of a pair, or stands for itself. */
static bool put_unit(struct str *out, uint32_t unit, uint32_t *high)
{
	if (*high) {
		if (unit < 0xdc00 || unit > 0xdfff)
			return false;
		utf8_put(out, 0x10000 + ((*high - 0xd800) << 10) + (unit - 0xdc00));
		*high = 0;
		return true;
	}
	if (unit >= 0xd800 && unit <= 0xdbff) {
		*high = unit;
		return true;
	}
	/* Printable ASCII must stand for itself, or a name would have two spellings; a control
	 * character in a name serves nobody. */
	if ((unit >= 0xdc00 && unit <= 0xdfff) || unit < 0xa0)
		return false;
	utf8_put(out, unit);
	return true;
}

/* The text between "&" and "-". */
static bool put_run(struct str *out, struct span run)
{
	uint32_t bits = 0, high = 0;
	unsigned nbits = 0;

	for (size_t i = 0; i < run.n; i++) {
		int v = value_of(run.p[i]);
		if (v < 0)
			return false;
		bits = (bits << 6 | (uint32_t)v) & 0x3fffff;
		nbits += 6;
		if (nbits >= 16) {
			nbits -= 16;
			if (!put_unit(out, bits >> nbits & 0xffff, &high))
				return false;
		}
	}
	return !high && nbits < 6 && (bits & ((1u << nbits) - 1)) == 0;
}

static bool convert(struct str *out, struct span s)
{
	bool after_run = false;

	for (size_t i = 0; i < s.n; i++) {
		if (s.p[i] != '&') {
			if (s.p[i] < 0x20 || s.p[i] >= 0x7f)
				return false;
			str_putc(out, s.p[i]);
			after_run = false;
			continue;
		}
		size_t end = span_index(s, ++i, '-');
		if (end == s.n)
			return false;
		if (end == i) {
			str_putc(out, '&');
			after_run = false;
		} else {
			/* Two runs side by side would be another spelling of one. */
			if (after_run || !put_run(out, span_make(s.p + i, end - i)))
				return false;
			after_run = true;
		}
		i = end;
	}
	return true;
}

bool utf7_to_utf8(struct str *out, struct span s)
{
	size_t before = out->len;

	if (convert(out, s))
		return true;
	str_truncate(out, before);
	return false;
}

struct bits {
	uint32_t v;
	unsigned n;
	bool open; /* inside a run */
};

static void put_bits(struct str *out, struct bits *b, uint32_t unit)
{
	b->v = (b->v << 16 | unit) & 0x3fffff;
	for (b->n += 16; b->n >= 6;) {
		b->n -= 6;
		str_putc(out, alphabet[b->v >> b->n & 63]);
	}
}

static void end_run(struct str *out, struct bits *b)
{
	if (!b->open)
		return;
	if (b->n)
		str_putc(out, alphabet[b->v << (6 - b->n) & 63]);
	str_putc(out, '-');
	*b = (struct bits){0};
}

static void put_char(struct str *out, struct bits *b, uint32_t cp)
{
	if (cp >= 0x20 && cp < 0x7f) {
		end_run(out, b);
		str_putc(out, (char)cp);
		if (cp == '&')
			str_putc(out, '-');
		return;
	}
	if (!b->open)
		str_putc(out, '&');
	b->open = true;
	if (cp >= 0x10000) {
		put_bits(out, b, 0xd800 + ((cp - 0x10000) >> 10));
		cp = 0xdc00 + ((cp - 0x10000) & 0x3ff);
	}
	put_bits(out, b, cp);
}

void utf7_put(struct str *out, struct span utf8)
{
	struct bits b = {0};
	uint32_t cp;

	for (size_t i = 0; i < utf8.n;) {
		int n = utf8_next(span_make(utf8.p + i, utf8.n - i), &cp);
		put_char(out, &b, n > 0 ? cp : 0xfffd);
		i += n > 0 ? (size_t)n : 1;
	}
	end_run(out, &b);
}
