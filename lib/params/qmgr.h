/* Owns the queue: schedules deliveries, retries and expiry. */
#ifndef PARAMS_QMGR_H
#define PARAMS_QMGR_H

#include "conf/conf.h"

struct qmgr_conf {
	uint64_t active_max;
	int64_t retry_first;
	int64_t retry_most;
	int64_t expire;
	int64_t bounce_expire;
	int64_t delay_warning;
	uint64_t destination_concurrency;
	uint64_t local_concurrency;
	uint64_t recipients_per_delivery;
	uint64_t outgoing_memory;
	int64_t scan_interval;
	int64_t damage_wait;
};
extern const struct conf_row qmgr_conf_rows[];

#endif
