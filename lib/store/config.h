/* The store as the configuration describes it. */
#ifndef STORE_CONFIG_H
#define STORE_CONFIG_H

#include "params/params.h"
#include "store/store.h"

/* store_dir, disk_reserve and section [store]. The error is in the config's pool. */
int store_open_config(struct config *config, struct store **store_r, const char **err_r);

#endif
