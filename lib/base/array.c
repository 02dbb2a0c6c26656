#include "base/array.h"

#include <stdint.h>

#include "base/log.h"

void *array_grow_(void *v, size_t *cap, size_t n, size_t more, size_t size, struct pool *pool)
{
	if (more > SIZE_MAX / 4 / size || n > SIZE_MAX / 4 / size)
		log_panic("array of %zu + %zu elements", n, more);
	if (n + more > *cap) {
		size_t want = *cap ? *cap * 2 : 8;
		if (want < n + more)
			want = n + more;
		if (pool) {
			void *grown = pool_alloc(pool, want * size);
			if (n)
				memcpy(grown, v, n * size);
			v = grown;
		} else {
			v = mem_realloc(v, want * size);
		}
		*cap = want;
	}
	if (more)
		memset((char *)v + n * size, 0, more * size);
	return v;
}
