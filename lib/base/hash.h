/*
 * Hash table from byte strings to pointers; open addressing, SipHash with a random key of the
 * process, so that hostile keys can't make it slow. Keys are copied.
 */
#ifndef BASE_HASH_H
#define BASE_HASH_H

#include <stdint.h>

#include "base/span.h"

struct hash;

struct hash *hash_new(void);
void hash_free(struct hash **h); /* the values are the caller's */
size_t hash_count(const struct hash *h);

/* NULL when there is none; values must not be NULL. */
void *hash_find(const struct hash *h, struct span key);
/* Replaces; returns the value that was there, or NULL. */
void *hash_set(struct hash *h, struct span key, void *value);
/* Returns the removed value, or NULL. */
void *hash_remove(struct hash *h, struct span key);

/* Iteration in no order: start with *at = 0; false at the end. The table must not grow meanwhile;
 * removing the element just returned is allowed. */
bool hash_next(const struct hash *h, size_t *at, struct span *key_r, void **value_r);

/* Integer keys. */
static inline struct span hash_key_u64(const uint64_t *v)
{
	return span_make(v, sizeof(*v));
}

uint64_t hash_bytes(struct span key); /* SipHash-1-3 with the key of the process */

#endif
