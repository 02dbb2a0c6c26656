/*
 * Memory pools. Everything that one connection, command or transaction allocates comes from its
 * pool and goes with it: reset, don't free piecemeal. Allocation never fails; out of memory ends
 * the process (log_fatal), because a mail server that limps loses mail.
 */
#ifndef BASE_POOL_H
#define BASE_POOL_H

#include <stdarg.h>
#include <stddef.h>

#include "base/span.h"

struct pool;

/* name shows in leak reports; it must outlive the pool (a literal). */
struct pool *pool_new(const char *name);
void pool_free(struct pool **pool);

/* Forgets everything allocated, keeps the first block for reuse. */
void pool_reset(struct pool *pool);

/* Bytes handed out since the last reset; what limits (*_MAX) are checked against. */
size_t pool_used(const struct pool *pool);

/* Zeroed, aligned for any type. n = 0 returns a valid pointer. */
void *pool_alloc(struct pool *pool, size_t n);
#define pool_new_of(pool, type) ((type *)pool_alloc(pool, sizeof(type)))
/* n * size, with overflow checked. */
void *pool_array(struct pool *pool, size_t n, size_t size);

char *pool_strdup(struct pool *pool, const char *s); /* NULL stays NULL */
char *pool_strndup(struct pool *pool, const char *s, size_t n);
char *pool_span(struct pool *pool, struct span s); /* as a C string */
struct span pool_copy(struct pool *pool, struct span s);
void *pool_memdup(struct pool *pool, const void *p, size_t n);
char *pool_printf(struct pool *pool, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
char *pool_vprintf(struct pool *pool, const char *fmt, va_list ap)
	__attribute__((format(printf, 2, 0)));

/* fn(arg) is called, last registered first, when the pool is reset or freed: for descriptors and
 * library objects whose life is the pool's. */
void pool_on_reset(struct pool *pool, void (*fn)(void *arg), void *arg);

/* malloc family that never returns NULL; for long-lived objects with their own x_free. */
void *mem_alloc(size_t n); /* zeroed */
void *mem_realloc(void *p, size_t n);
char *mem_strdup(const char *s);
void mem_free(void *pp); /* takes a pointer to the pointer and nulls it */
#define mem_new(type) ((type *)mem_alloc(sizeof(type)))

#endif
