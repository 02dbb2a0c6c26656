#include "base/num.h"

#include "base/array.h"

bool num_parse_u64(struct span s, uint64_t max, uint64_t *v_r)
{
	uint64_t v = 0;
	if (!s.n)
		return false;
	for (size_t i = 0; i < s.n; i++) {
		if (!ascii_is_digit((unsigned char)s.p[i]))
			return false;
		unsigned d = (unsigned)(s.p[i] - '0');
		if (v > (UINT64_MAX - d) / 10)
			return false;
		v = v * 10 + d;
	}
	if (v > max)
		return false;
	*v_r = v;
	return true;
}

bool num_parse_u32(struct span s, uint32_t max, uint32_t *v_r)
{
	uint64_t v;
	if (!num_parse_u64(s, max, &v))
		return false;
	*v_r = (uint32_t)v;
	return true;
}

bool num_parse_hex(struct span s, uint64_t *v_r)
{
	uint64_t v = 0;
	if (!s.n || s.n > 16)
		return false;
	for (size_t i = 0; i < s.n; i++) {
		int c = ascii_lower((unsigned char)s.p[i]);
		if (ascii_is_digit(c))
			v = v << 4 | (uint64_t)(c - '0');
		else if (c >= 'a' && c <= 'f')
			v = v << 4 | (uint64_t)(c - 'a' + 10);
		else
			return false;
	}
	*v_r = v;
	return true;
}

/* The digits at the start of *s, cut off it. */
static bool take_digits(struct span *s, uint64_t *v_r)
{
	size_t n = 0;
	while (n < s->n && ascii_is_digit((unsigned char)s->p[n]))
		n++;
	if (!num_parse_u64(span_make(s->p, n), UINT64_MAX, v_r))
		return false;
	s->p += n;
	s->n -= n;
	return true;
}

bool num_parse_size(struct span s, uint64_t *v_r)
{
	static const char units[] = "kmgt";
	uint64_t v;
	if (!take_digits(&s, &v))
		return false;
	if (s.n) {
		const char *unit = strchr(units, ascii_lower((unsigned char)s.p[0]));
		unsigned shift = 0;
		if (unit && *unit) {
			shift = 10 * (unsigned)(unit - units + 1);
			s.p++;
			s.n--;
		}
		if (s.n && !span_iis(s, "b"))
			return false;
		if (shift && v > UINT64_MAX >> shift)
			return false;
		v <<= shift;
	}
	*v_r = v;
	return true;
}

static const struct {
	const char *name;
	int64_t ms;
} time_units[] = {
	{"ms", 1},
	{"s", 1000},
	{"m", 60 * 1000},
	{"h", 3600 * 1000},
	{"d", 86400 * 1000},
	{"w", 7 * 86400 * (int64_t)1000},
};

bool num_parse_duration(struct span s, int64_t *ms_r)
{
	int64_t total = 0;
	if (!s.n)
		return false;
	while (s.n) {
		uint64_t v;
		size_t n = 0, u;
		if (!take_digits(&s, &v))
			return false;
		while (n < s.n && ascii_is_alpha((unsigned char)s.p[n]))
			n++;
		struct span unit = n ? span_make(s.p, n) : SPAN_LIT("s");
		for (u = 0; u < COUNT_OF(time_units); u++)
			if (span_iis(unit, time_units[u].name))
				break;
		if (u == COUNT_OF(time_units) || v > (uint64_t)(INT64_MAX / 4 / time_units[u].ms))
			return false;
		total += (int64_t)v * time_units[u].ms;
		if (total > INT64_MAX / 4)
			return false;
		s.p += n;
		s.n -= n;
	}
	*ms_r = total;
	return true;
}
