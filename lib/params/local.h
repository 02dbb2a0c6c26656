/* Delivers into the message store. */
#ifndef PARAMS_LOCAL_H
#define PARAMS_LOCAL_H

#include "conf/conf.h"

struct local_conf {
	uint64_t deliveries;
	const char *mailbox;
	bool detail_mailbox;
	const char *over_quota;
	uint64_t memory_max;
};
extern const struct conf_row local_conf_rows[];

#endif
