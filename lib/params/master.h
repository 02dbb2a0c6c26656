/* Starts the services, watches over them, binds their sockets. */
#ifndef PARAMS_MASTER_H
#define PARAMS_MASTER_H

#include "conf/conf.h"

struct master_conf {
	int64_t start_timeout;
	int64_t shutdown_timeout;
	int64_t restart_first;
	int64_t restart_most;
	int64_t stable_time;
	int64_t spare_time;
	uint64_t backlog;
};
extern const struct conf_row master_conf_rows[];

#endif
