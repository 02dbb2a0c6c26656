#include "base/str.h"

#include <stdio.h>
#include <stdlib.h>

#include "base/log.h"

char *str_reserve(struct str *str, size_t n)
{
	if (n > SIZE_MAX / 4 || str->len > SIZE_MAX / 4)
		log_panic("string of %zu + %zu bytes", str->len, n);
	if (str->cap - str->len <= n) {
		size_t cap = str->cap ? str->cap * 2 : 64;
		if (cap < str->len + n + 1)
			cap = str->len + n + 1;
		if (str->pool) {
			char *s = pool_alloc(str->pool, cap);
			if (str->len)
				memcpy(s, str->s, str->len);
			str->s = s;
		} else {
			str->s = mem_realloc(str->s, cap);
		}
		str->cap = cap;
		str->s[str->len] = '\0';
	}
	return str->s + str->len;
}

void str_fini(struct str *str)
{
	if (!str->pool)
		free(str->s);
	str->s = NULL;
	str->len = str->cap = 0;
}

void str_truncate(struct str *str, size_t len)
{
	if (len < str->len) {
		str->len = len;
		str->s[len] = '\0';
	}
}

void str_reset(struct str *str)
{
	str_truncate(str, 0);
}

void str_shrink(struct str *str, size_t keep)
{
	if (str->cap > keep && str->len == 0)
		str_fini(str);
}

void str_add(struct str *str, const void *p, size_t n)
{
	if (!n)
		return;
	memcpy(str_reserve(str, n), p, n);
	str->len += n;
	str->s[str->len] = '\0';
}

void str_add_span(struct str *str, struct span s)
{
	str_add(str, s.p, s.n);
}

void str_puts(struct str *str, const char *s)
{
	str_add(str, s, strlen(s));
}

void str_putc(struct str *str, char c)
{
	char *p = str_reserve(str, 1);
	p[0] = c;
	p[1] = '\0';
	str->len++;
}

void str_put_u64(struct str *str, uint64_t v)
{
	char digits[20];
	size_t n = 0;
	do
		digits[sizeof(digits) - ++n] = (char)('0' + v % 10);
	while (v /= 10);
	str_add(str, digits + sizeof(digits) - n, n);
}

void str_vprintf(struct str *str, const char *fmt, va_list ap)
{
	va_list again;
	va_copy(again, ap);
	int n = vsnprintf(NULL, 0, fmt, again);
	va_end(again);
	if (n < 0)
		log_panic("bad format %s", fmt);
	vsnprintf(str_reserve(str, (size_t)n), (size_t)n + 1, fmt, ap);
	str->len += (size_t)n;
}

void str_printf(struct str *str, const char *fmt, ...)
{
	va_list ap;
	va_start(ap, fmt);
	str_vprintf(str, fmt, ap);
	va_end(ap);
}

void str_consume(struct str *str, size_t n)
{
	if (n >= str->len) {
		str_reset(str);
		return;
	}
	memmove(str->s, str->s + n, str->len - n + 1);
	str->len -= n;
}

const char *str_c(const struct str *str)
{
	return str->s ? str->s : "";
}
