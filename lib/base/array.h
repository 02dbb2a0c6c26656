/*
 * Growing arrays. ARRAY(type) is a struct with .v, .n; the block is the heap's, or the pool's when
 * .pool is set. The macros keep the element type, so that no cast is ever written.
 *
 *	ARRAY(uint32_t) uids = ARRAY_INIT;
 *	*array_add(&uids) = 7;
 *	for (size_t i = 0; i < uids.n; i++) ... uids.v[i] ...
 *	array_fini(&uids);
 */
#ifndef BASE_ARRAY_H
#define BASE_ARRAY_H

#include "base/pool.h"

#define ARRAY(type)                                                                                \
	struct {                                                                                   \
		type *v;                                                                           \
		size_t n, cap;                                                                     \
		struct pool *pool;                                                                 \
	}
#define ARRAY_INIT  {0}
#define ARRAY_IN(p) {.pool = (p)}

/* Grows by one zeroed element and returns a pointer to it (valid until the next growth). */
#define array_add(a)                                                                               \
	((a)->v = array_grow_((a)->v, &(a)->cap, (a)->n, 1, sizeof(*(a)->v), (a)->pool),           \
		&(a)->v[(a)->n++])
/* Room for n more elements, zeroed; n is not changed. */
#define array_reserve(a, more)                                                                     \
	((a)->v = array_grow_((a)->v, &(a)->cap, (a)->n, (more), sizeof(*(a)->v), (a)->pool))
#define array_append(a, src, count)                                                                \
	(array_reserve((a), (count)), memcpy((a)->v + (a)->n, (src), (count) * sizeof(*(a)->v)),   \
		(a)->n += (count))
#define array_remove(a, at)                                                                        \
	(memmove((a)->v + (at), (a)->v + (at) + 1, ((a)->n - (at)-1) * sizeof(*(a)->v)), (a)->n--)
#define array_reset(a) ((a)->n = 0)
#define array_fini(a)                                                                              \
	((a)->pool ? (void)0 : mem_free(&(a)->v), (a)->v = NULL, (a)->n = (a)->cap = 0)

void *array_grow_(
	void *v, size_t *cap, size_t n, size_t more, size_t size, struct pool *pool);

#define COUNT_OF(a) (sizeof(a) / sizeof((a)[0]))

#endif
