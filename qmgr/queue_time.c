#include "qmgr/queue_time.h"

#include "base/clock.h"
#include "qmgr/qmgr.h"

#define MARGIN_S 300 /* for pauses that are not retries' */

int64_t queue_time_s(struct qmgr *q)
{
	int64_t mono = clock_mono_ms(), base = clock_wall_ms() - mono;

	if (base > q->time_base_ms)
		q->time_base_ms = base;
	return (q->time_base_ms + mono) / 1000;
}

int64_t queue_time_ahead_s(struct qmgr *q)
{
	return queue_time_s(q) - clock_wall_s();
}

int64_t queue_time_latest_s(struct qmgr *q)
{
	int64_t most_s = q->conf->retry_most / 1000;

	return queue_time_s(q) + most_s + most_s / 4 + MARGIN_S;
}
