/*
 * The one string builder. Always NUL-terminated after the first byte is added; may hold NULs
 * itself (len tells). Owns a heap block of its own unless a pool is given, then the pool owns it.
 */
#ifndef BASE_STR_H
#define BASE_STR_H

#include <stdarg.h>
#include <stdint.h>

#include "base/pool.h"
#include "base/span.h"

struct str {
	char *s;
	size_t len, cap;
	struct pool *pool;
};

#define STR_INIT ((struct str){0})
#define STR_IN(p) ((struct str){.pool = (p)})

void str_fini(struct str *str);
void str_reset(struct str *str); /* empty, memory kept */
void str_truncate(struct str *str, size_t len);
/* Frees the block when it has grown past keep bytes: for buffers of idle connections. */
void str_shrink(struct str *str, size_t keep);

/* Room for n more bytes at s + len; add them to len when written. */
char *str_reserve(struct str *str, size_t n);

void str_add(struct str *str, const void *p, size_t n);
void str_add_span(struct str *str, struct span s);
void str_puts(struct str *str, const char *s);
void str_putc(struct str *str, char c);
void str_put_u64(struct str *str, uint64_t v); /* decimal; much faster than printf */
void str_printf(struct str *str, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
void str_vprintf(struct str *str, const char *fmt, va_list ap)
	__attribute__((format(printf, 2, 0)));

/* Removes the first n bytes. */
void str_consume(struct str *str, size_t n);

/* Never NULL. */
const char *str_c(const struct str *str);
static inline struct span str_span(const struct str *str)
{
	return span_make(str->s, str->len);
}

#endif
