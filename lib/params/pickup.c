#include "params/pickup.h"

#define CONF_STRUCT pickup_conf

const struct conf_row pickup_conf_rows[] = {
	CONF_ROW(TIME, scan_interval, "60s", 1, 3600,
		"How often the drop folder is scanned, besides being watched."),
	CONF_ROW(TIME, submit_timeout, "60s", 1, 600, "Limit for each step of a submission."),
	CONF_END,
};
