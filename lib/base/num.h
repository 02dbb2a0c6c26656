/* Numbers, sizes and durations from text; strict: the whole span or nothing, overflow is an error. */
#ifndef BASE_NUM_H
#define BASE_NUM_H

#include <stdint.h>

#include "base/span.h"

/* Decimal digits only. true and *v_r set when s is a number <= max. */
bool num_parse_u64(struct span s, uint64_t max, uint64_t *v_r);
bool num_parse_u32(struct span s, uint32_t max, uint32_t *v_r);
bool num_parse_hex(struct span s, uint64_t *v_r);

/* "50M", "4k", "12": binary multiples k M G T (either case, optional B). Octets. */
bool num_parse_size(struct span s, uint64_t *v_r);
/* "5m", "1h30m", "10" (seconds), units ms s m h d w. Milliseconds. */
bool num_parse_duration(struct span s, int64_t *ms_r);

static inline uint32_t num_min_u32(uint32_t a, uint32_t b)
{
	return a < b ? a : b;
}
static inline size_t num_min(size_t a, size_t b)
{
	return a < b ? a : b;
}
static inline size_t num_max(size_t a, size_t b)
{
	return a > b ? a : b;
}

#endif
