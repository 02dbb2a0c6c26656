#include "imap/fold.h"

#include "base/array.h"
#include "base/utf8.h"

/* Unicode's simple case folding (status C and S of CaseFolding.txt) of the scripts in common
 * use, as ranges. step 2: only every second character from `from` on is a capital. */
static const struct fold_range {
	uint32_t from, to;
	int32_t delta;
	unsigned step;
} ranges[] = {
	{0x00b5, 0x00b5, 775, 1},
	{0x00c0, 0x00d6, 32, 1},
	{0x00d8, 0x00de, 32, 1},
	{0x0100, 0x012f, 1, 2},
	{0x0132, 0x0137, 1, 2},
	{0x0139, 0x0148, 1, 2},
	{0x014a, 0x0177, 1, 2},
	{0x0178, 0x0178, -121, 1},
	{0x0179, 0x017e, 1, 2},
	{0x017f, 0x017f, -268, 1},
	{0x01cd, 0x01dc, 1, 2},
	{0x01de, 0x01ef, 1, 2},
	{0x01f8, 0x021f, 1, 2},
	{0x0222, 0x0233, 1, 2},
	{0x0386, 0x0386, 38, 1},
	{0x0388, 0x038a, 37, 1},
	{0x038c, 0x038c, 64, 1},
	{0x038e, 0x038f, 63, 1},
	{0x0391, 0x03a1, 32, 1},
	{0x03a3, 0x03ab, 32, 1},
	{0x03c2, 0x03c2, 1, 1},
	{0x0400, 0x040f, 80, 1},
	{0x0410, 0x042f, 32, 1},
	{0x0460, 0x0481, 1, 2},
	{0x048a, 0x04bf, 1, 2},
	{0x04c1, 0x04ce, 1, 2},
	{0x04d0, 0x052f, 1, 2},
	{0x0531, 0x0556, 48, 1},
	{0x1e00, 0x1e95, 1, 2},
	{0x1e9e, 0x1e9e, -7615, 1},
	{0x1ea0, 0x1eff, 1, 2},
	{0xff21, 0xff3a, 32, 1},
	{0x10400, 0x10427, 40, 1},
};

static uint32_t fold(uint32_t cp)
{
	size_t lo = 0, hi = COUNT_OF(ranges);

	while (lo < hi) {
		size_t mid = lo + (hi - lo) / 2;
		if (ranges[mid].to < cp)
			lo = mid + 1;
		else
			hi = mid;
	}
	if (lo == COUNT_OF(ranges) || cp < ranges[lo].from ||
		(cp - ranges[lo].from) % ranges[lo].step != 0)
		return cp;
	return (uint32_t)((int32_t)cp + ranges[lo].delta);
}

void fold_put(struct str *out, struct span utf8)
{
	size_t i = 0;

	while (i < utf8.n) {
		/* ASCII, which is most of it, in one go. */
		size_t from = i;
		while (i < utf8.n && !(utf8.p[i] & 0x80))
			i++;
		char *to = str_reserve(out, i - from);
		for (size_t k = 0; k < i - from; k++)
			to[k] = (char)ascii_lower(utf8.p[from + k]);
		out->len += i - from;
		while (i < utf8.n && utf8.p[i] & 0x80) {
			uint32_t cp;
			int n = utf8_next(span_make(utf8.p + i, utf8.n - i), &cp);
			if (n > 0)
				utf8_put(out, fold(cp));
			else
				str_putc(out, utf8.p[i]);
			i += n > 0 ? (size_t)n : 1;
		}
	}
	if (out->s)
		out->s[out->len] = '\0';
}
