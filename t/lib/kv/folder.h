/* A temporary folder for one test, removed with what is in it. */
#ifndef T_KV_FOLDER_H
#define T_KV_FOLDER_H

#include <ftw.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/log.h"

static inline int remove_one(const char *path, const struct stat *st, int type, struct FTW *ftw)
{
	(void)st, (void)type, (void)ftw;
	return remove(path);
}

static inline void folder_make(char path[64])
{
	snprintf(path, 64, "/tmp/thurn-t.XXXXXX");
	if (!mkdtemp(path))
		log_fatal("no temporary folder: %m");
}

static inline void folder_remove(const char *path)
{
	nftw(path, remove_one, 16, FTW_DEPTH | FTW_PHYS);
}

#endif
