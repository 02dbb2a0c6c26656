#include "params/bounce.h"

#define CONF_STRUCT bounce_conf

const struct conf_row bounce_conf_rows[] = {
	CONF_ROW(NUM, deliveries, "10", 1, 1000, "Reports in work at the same time."),
	CONF_ROW(SIZE, returned_size_max, "64k", 0, 0,
		"Larger messages are returned with their header only."),
	CONF_ROW(BOOL, postmaster_copy, "no", 0, 0,
		"Whether postmaster gets a copy of each report."),
	CONF_END,
};
