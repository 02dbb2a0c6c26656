/*
 * A span is a borrowed run of bytes: pointer and length, no terminator, never owned. Parsers take
 * spans and return spans into the same memory, so that nothing is copied before it is understood.
 */
#ifndef BASE_SPAN_H
#define BASE_SPAN_H

#include <stdbool.h>
#include <stddef.h>
#include <string.h>

struct span {
	const char *p;
	size_t n;
};

#define SPAN_LIT(lit) ((struct span){(lit), sizeof(lit) - 1})

static inline struct span span_of(const char *s)
{
	return (struct span){s, s ? strlen(s) : 0};
}

static inline struct span span_make(const void *p, size_t n)
{
	return (struct span){p, n};
}

static inline bool span_eq(struct span a, struct span b)
{
	return a.n == b.n && (a.n == 0 || memcmp(a.p, b.p, a.n) == 0);
}

/* ASCII case-insensitive comparisons; bytes past 127 compare as they are. */
bool span_ieq(struct span a, struct span b);
bool span_is(struct span a, const char *word);  /* exact */
bool span_iis(struct span a, const char *word); /* case-insensitive */
bool span_has_prefix(struct span s, struct span prefix);
bool span_ihas_prefix(struct span s, struct span prefix);

/* Index of the first byte c at or after from; s.n when there is none. */
size_t span_index(struct span s, size_t from, char c);

/* Without spaces, tabs, CR and LF at both ends. */
struct span span_trim(struct span s);

/* Cuts the text before the first sep off *rest and returns it; 0 when *rest is used up. The last
 * piece is what follows the last separator. rest->p is NULL after it. */
bool span_split(struct span *rest, char sep, struct span *piece_r);

/* ASCII only, whatever the locale. */
static inline bool ascii_is_digit(int c)
{
	return c >= '0' && c <= '9';
}
static inline bool ascii_is_alpha(int c)
{
	return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
}
static inline bool ascii_is_alnum(int c)
{
	return ascii_is_digit(c) || ascii_is_alpha(c);
}
static inline int ascii_lower(int c)
{
	return c >= 'A' && c <= 'Z' ? c + 32 : c;
}
static inline int ascii_upper(int c)
{
	return c >= 'a' && c <= 'z' ? c - 32 : c;
}

#endif
