/* The message store, for every program that opens it: section [store] of thurn.conf. */
#ifndef PARAMS_STORE_H
#define PARAMS_STORE_H

#include "conf/conf.h"

/* Called mailstore because struct store_conf is lib/store's own; store/config.h makes that from
 * this. */
struct mailstore_conf {
	const char *partition;
	uint64_t pack_size;
	uint64_t log_segment_size;
	const char *default_mailboxes;
	int64_t flag_sync;
};
extern const struct conf_row mailstore_conf_rows[];

#endif
