#include "base/pool.h"

#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/log.h"

#define BLOCK_FIRST 1024
#define BLOCK_MAX   (64 * 1024)
#define ALIGN       (sizeof(max_align_t))

struct block {
	struct block *next;
	size_t size, used;
	_Alignas(max_align_t) char data[];
};

struct cleanup {
	struct cleanup *next;
	void (*fn)(void *arg);
	void *arg;
};

struct pool {
	const char *name;
	struct block *blocks; /* newest first; the last is the one kept by reset */
	struct cleanup *cleanups;
	size_t used;
};

/* In a build with address checking these are there, and what a pool has not given out, or has taken back, counts as freed. */
void __asan_poison_memory_region(volatile void *p, size_t n) __attribute__((weak));
void __asan_unpoison_memory_region(volatile void *p, size_t n) __attribute__((weak));

static void forbid(struct block *b)
{
	b->used = 0;
	if (__asan_poison_memory_region)
		__asan_poison_memory_region(b->data, b->size);
}

static void *allow(void *p, size_t n)
{
	if (__asan_unpoison_memory_region)
		__asan_unpoison_memory_region(p, n);
	return p;
}

void *mem_alloc(size_t n)
{
	void *p = calloc(1, n ? n : 1);
	if (!p)
		log_fatal("out of memory: %zu bytes", n);
	return p;
}

void *mem_realloc(void *p, size_t n)
{
	void *q = realloc(p, n ? n : 1);
	if (!q)
		log_fatal("out of memory: %zu bytes", n);
	return q;
}

char *mem_strdup(const char *s)
{
	size_t n = strlen(s) + 1;
	return memcpy(mem_alloc(n), s, n);
}

void mem_free(void *pp)
{
	void **p = pp;
	free(*p);
	*p = NULL;
}

static struct block *block_new(size_t size)
{
	struct block *b = malloc(sizeof(*b) + size);
	if (!b)
		log_fatal("out of memory: %zu bytes", size);
	b->next = NULL;
	b->size = size;
	forbid(b);
	return b;
}

struct pool *pool_new(const char *name)
{
	struct pool *pool = mem_new(struct pool);
	pool->name = name;
	return pool;
}

static void run_cleanups(struct pool *pool)
{
	while (pool->cleanups) {
		struct cleanup *c = pool->cleanups;
		pool->cleanups = c->next;
		c->fn(c->arg);
	}
}

void pool_reset(struct pool *pool)
{
	run_cleanups(pool);
	while (pool->blocks && (pool->blocks->next || pool->blocks->size > BLOCK_FIRST)) {
		struct block *b = pool->blocks;
		pool->blocks = b->next;
		free(b);
	}
	if (pool->blocks)
		forbid(pool->blocks);
	pool->used = 0;
}

void pool_free(struct pool **pool)
{
	if (!*pool)
		return;
	pool_reset(*pool);
	free((*pool)->blocks);
	mem_free(pool);
}

size_t pool_used(const struct pool *pool)
{
	return pool->used;
}

static size_t next_block_size(const struct pool *pool, size_t need)
{
	size_t size = pool->blocks ? pool->blocks->size * 2 : BLOCK_FIRST;
	if (size > BLOCK_MAX)
		size = BLOCK_MAX;
	return size < need ? need : size;
}

void *pool_alloc(struct pool *pool, size_t n)
{
	if (n > SIZE_MAX / 2)
		log_panic("pool %s: allocation of %zu bytes", pool->name, n);
	size_t need = (n + ALIGN - 1) & ~(ALIGN - 1);
	if (!need)
		need = ALIGN;
	struct block *b = pool->blocks;
	if (!b || b->size - b->used < need) {
		b = block_new(next_block_size(pool, need));
		b->next = pool->blocks;
		pool->blocks = b;
	}
	void *p = allow(b->data + b->used, n);
	b->used += need;
	pool->used += need;
	return memset(p, 0, n);
}

void *pool_array(struct pool *pool, size_t n, size_t size)
{
	if (size && n > SIZE_MAX / 2 / size)
		log_panic("pool %s: array of %zu * %zu bytes", pool->name, n, size);
	return pool_alloc(pool, n * size);
}

void *pool_memdup(struct pool *pool, const void *p, size_t n)
{
	void *q = pool_alloc(pool, n);
	return n ? memcpy(q, p, n) : q;
}

char *pool_strndup(struct pool *pool, const char *s, size_t n)
{
	char *q = pool_alloc(pool, n + 1);
	if (n)
		memcpy(q, s, n);
	return q;
}

char *pool_strdup(struct pool *pool, const char *s)
{
	return s ? pool_strndup(pool, s, strlen(s)) : NULL;
}

char *pool_span(struct pool *pool, struct span s)
{
	return pool_strndup(pool, s.p, s.n);
}

struct span pool_copy(struct pool *pool, struct span s)
{
	return span_make(pool_strndup(pool, s.p, s.n), s.n);
}

char *pool_vprintf(struct pool *pool, const char *fmt, va_list ap)
{
	va_list again;
	va_copy(again, ap);
	int n = vsnprintf(NULL, 0, fmt, again);
	va_end(again);
	if (n < 0)
		log_panic("pool %s: bad format", pool->name);
	char *s = pool_alloc(pool, (size_t)n + 1);
	vsnprintf(s, (size_t)n + 1, fmt, ap);
	return s;
}

char *pool_printf(struct pool *pool, const char *fmt, ...)
{
	va_list ap;
	va_start(ap, fmt);
	char *s = pool_vprintf(pool, fmt, ap);
	va_end(ap);
	return s;
}

void pool_on_reset(struct pool *pool, void (*fn)(void *arg), void *arg)
{
	struct cleanup *c = pool_new_of(pool, struct cleanup);
	c->fn = fn;
	c->arg = arg;
	c->next = pool->cleanups;
	pool->cleanups = c;
}
