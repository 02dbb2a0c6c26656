/* Opening a store with another sync than the system's: how tests let a medium fail. */
#ifndef STORE_OPEN_H
#define STORE_OPEN_H

#include "store/store.h"

int store_open_with(const struct store_conf *conf, int (*sync)(int fd), struct store **store_r,
	const char **err_r);
/* Syncs and forgets all accounts; part of store_close. */
void accounts_close(struct store *store);

#endif
