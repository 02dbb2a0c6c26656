#include "params/master.h"

#define CONF_STRUCT master_conf

const struct conf_row master_conf_rows[] = {
	CONF_ROW(TIME, start_timeout, "60s", 1, 0,
		"How long a process may take to start without a sign of progress, before it is killed."),
	CONF_ROW(TIME, shutdown_timeout, "4s", 0, 0, "How long open connections have at shutdown."),
	CONF_ROW(TIME, restart_first, "100ms", 0, 0,
		"Pause before a process that ended is started again; it doubles each time."),
	CONF_ROW(TIME, restart_most, "10s", 0, 0, "The longest such pause."),
	CONF_ROW(TIME, stable_time, "10s", 0, 0,
		"A process that served this long has started well: the next pause is the first again."),
	CONF_ROW(TIME, spare_time, "1m", 0, 0,
		"How long processes beyond min_workers stay when they are no longer needed."),
	CONF_ROW(NUM, backlog, "511", 1, 65535,
		"Connections that wait to be accepted, for each listening socket."),
	CONF_END,
};
