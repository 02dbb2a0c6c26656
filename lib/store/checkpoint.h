/*
 * Checkpoint files (tree, index/<id>): the header that both share, and how one takes the place of
 * the last (design rule 15).
 */
#ifndef STORE_CHECKPOINT_H
#define STORE_CHECKPOINT_H

#include "base/wire.h"
#include "store/format.h"

struct checkpoint {
	uint64_t at, sequence; /* covers the log up to here */
	uint64_t mailbox, count, changes;
	uint32_t body_crc;
};

void checkpoint_put(const struct checkpoint *c, const char *magic, const char *account,
	char out[CHECKPOINT_HEADER]);
/* 0, or -1 not one of these. */
int checkpoint_parse(
	struct checkpoint *c, const char *magic, const char *account, struct span header);

/* Writes header and body to name in folder dirfd: O_TMPFILE, sync, link, rename over the last, sync
 * folder. -1 with errno, and the last one stays. Blocks: for helper threads. */
int checkpoint_write(int dirfd, const char *name, const char header[CHECKPOINT_HEADER],
	struct span body, int (*sync)(int fd));

#endif
