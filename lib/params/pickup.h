/* Submits what sendmail left while the server was down. */
#ifndef PARAMS_PICKUP_H
#define PARAMS_PICKUP_H

#include "conf/conf.h"

struct pickup_conf {
	int64_t scan_interval;
	int64_t submit_timeout;
};
extern const struct conf_row pickup_conf_rows[];

#endif
