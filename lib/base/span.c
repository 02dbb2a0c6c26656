#include "base/span.h"

static bool same_nocase(const char *a, const char *b, size_t n)
{
	for (size_t i = 0; i < n; i++)
		if (ascii_lower((unsigned char)a[i]) != ascii_lower((unsigned char)b[i]))
			return false;
	return true;
}

bool span_ieq(struct span a, struct span b)
{
	return a.n == b.n && same_nocase(a.p, b.p, a.n);
}

bool span_is(struct span a, const char *word)
{
	return span_eq(a, span_of(word));
}

bool span_iis(struct span a, const char *word)
{
	return span_ieq(a, span_of(word));
}

bool span_has_prefix(struct span s, struct span prefix)
{
	return s.n >= prefix.n && span_eq(span_make(s.p, prefix.n), prefix);
}

bool span_ihas_prefix(struct span s, struct span prefix)
{
	return s.n >= prefix.n && same_nocase(s.p, prefix.p, prefix.n);
}

size_t span_index(struct span s, size_t from, char c)
{
	if (from >= s.n)
		return s.n;
	const char *hit = memchr(s.p + from, c, s.n - from);
	return hit ? (size_t)(hit - s.p) : s.n;
}

static bool is_blank(char c)
{
	return c == ' ' || c == '\t' || c == '\r' || c == '\n';
}

struct span span_trim(struct span s)
{
	while (s.n && is_blank(s.p[0])) {
		s.p++;
		s.n--;
	}
	while (s.n && is_blank(s.p[s.n - 1]))
		s.n--;
	return s;
}

bool span_split(struct span *rest, char sep, struct span *piece_r)
{
	if (!rest->p)
		return false;
	size_t at = span_index(*rest, 0, sep);
	*piece_r = span_make(rest->p, at);
	if (at == rest->n) {
		*rest = span_make(NULL, 0);
	} else {
		rest->p += at + 1;
		rest->n -= at + 1;
	}
	return true;
}
