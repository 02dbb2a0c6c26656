#include "imap/list.h"

#include "base/num.h"

/*
 * The pattern is a line of states, one before each of its octets and one at the end; the set of
 * states that can be reached is a bit each, so that an octet of the name costs the same whatever
 * the pattern holds.
 */
#define WORDS (IMAP_PATTERN_MAX / 64 + 1)

struct pattern {
	const char *text;
	size_t n; /* octets, and the number of the final state */
};

struct states {
	uint64_t bits[WORDS];
};

static bool is_wild(char c)
{
	return c == '*' || c == '%';
}

struct pattern *pattern_new(struct pool *pool, const char *text)
{
	struct pattern *p = pool_new_of(pool, struct pattern);
	size_t len = strlen(text);
	char *out = pool_alloc(pool, len + 1);

	/* Wildcards side by side are one: '*' if one of them is. */
	for (size_t i = 0; i < len; i++) {
		if (!p->n || !is_wild(text[i]) || !is_wild(out[p->n - 1]))
			out[p->n++] = text[i];
		else if (text[i] == '*')
			out[p->n - 1] = '*';
	}
	p->n = num_min(p->n, IMAP_PATTERN_MAX);
	p->text = out;
	return p;
}

static void add_state(const struct pattern *p, struct states *s, size_t at)
{
	s->bits[at / 64] |= (uint64_t)1 << at % 64;
	/* A wildcard may stand for nothing; two never stand side by side. */
	if (at < p->n && (p->text[at] == '*' || p->text[at] == '%'))
		s->bits[(at + 1) / 64] |= (uint64_t)1 << (at + 1) % 64;
}

static void step(const struct pattern *p, const struct states *from, struct states *to, char c,
	bool any_case)
{
	memset(to, 0, sizeof(*to));
	for (size_t w = 0; w <= p->n / 64; w++)
		for (uint64_t bits = from->bits[w]; bits; bits &= bits - 1) {
			size_t at = w * 64 + (size_t)__builtin_ctzll(bits);
			char want = at < p->n ? p->text[at] : '\0';
			if (want == '*' || (want == '%' && c != '/'))
				add_state(p, to, at);
			else if (at < p->n && want != '%' &&
				 (want == c || (any_case && ascii_upper(want) == ascii_upper(c))))
				add_state(p, to, at + 1);
		}
}

bool pattern_match(const struct pattern *pattern, const char *name)
{
	struct states sets[2] = {0};
	unsigned now = 0;
	bool inbox = strncmp(name, "INBOX", 5) == 0 && (name[5] == '\0' || name[5] == '/');

	add_state(pattern, &sets[0], 0);
	for (size_t i = 0; name[i]; i++) {
		step(pattern, &sets[now], &sets[!now], name[i], inbox && i < 5);
		now = !now;
	}
	return sets[now].bits[pattern->n / 64] >> pattern->n % 64 & 1;
}
