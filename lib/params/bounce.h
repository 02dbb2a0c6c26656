/* Writes delivery reports. */
#ifndef PARAMS_BOUNCE_H
#define PARAMS_BOUNCE_H

#include "conf/conf.h"

struct bounce_conf {
	uint64_t deliveries;
	uint64_t returned_size_max;
	bool postmaster_copy;
};
extern const struct conf_row bounce_conf_rows[];

#endif
