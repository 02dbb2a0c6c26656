/* Clocks. Deadlines and intervals use the monotonic clock, dates the wall clock; never mixed. */
#ifndef BASE_CLOCK_H
#define BASE_CLOCK_H

#include <stdint.h>

#include "base/str.h"

int64_t clock_mono_ms(void);
int64_t clock_mono_us(void);
int64_t clock_wall_s(void);  /* seconds since 1970 */
int64_t clock_wall_ms(void);
int64_t clock_wall_us(void);

/* 2026-11-22T17:49:14.123Z */
void clock_put_iso(struct str *out, int64_t wall_ms);

#endif
