#include "base/clock.h"

#include <time.h>

static int64_t read_clock(clockid_t id, int64_t unit)
{
	struct timespec ts;
	clock_gettime(id, &ts);
	return (int64_t)ts.tv_sec * unit + ts.tv_nsec / (1000000000 / unit);
}

int64_t clock_mono_ms(void)
{
	return read_clock(CLOCK_MONOTONIC, 1000);
}

int64_t clock_mono_us(void)
{
	return read_clock(CLOCK_MONOTONIC, 1000000);
}

int64_t clock_wall_s(void)
{
	return read_clock(CLOCK_REALTIME, 1);
}

int64_t clock_wall_ms(void)
{
	return read_clock(CLOCK_REALTIME, 1000);
}

int64_t clock_wall_us(void)
{
	return read_clock(CLOCK_REALTIME, 1000000);
}

void clock_put_iso(struct str *out, int64_t wall_ms)
{
	time_t t = (time_t)(wall_ms / 1000);
	struct tm tm;
	gmtime_r(&t, &tm);
	str_printf(out, "%04d-%02d-%02dT%02d:%02d:%02d.%03dZ", tm.tm_year + 1900, tm.tm_mon + 1,
		tm.tm_mday, tm.tm_hour, tm.tm_min, tm.tm_sec, (int)(wall_ms % 1000));
}
