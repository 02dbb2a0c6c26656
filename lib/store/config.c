#include "store/config.h"

#include "params/store.h"

int store_open_config(struct config *config, struct store **store_r, const char **err_r)
{
	struct mailstore_conf conf;
	if (config_program(config, "store", NULL, &conf, err_r) < 0)
		return -1;
	struct store_conf to = {
		.dir = config->common.store_dir,
		.partition = conf.partition,
		.pack_size = conf.pack_size,
		.log_segment_size = conf.log_segment_size,
		.disk_reserve = config->common.disk_reserve,
		.default_mailboxes = conf.default_mailboxes,
		.flag_sync_ms = conf.flag_sync,
	};
	return store_open(&to, store_r, err_r);
}
