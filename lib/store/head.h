/*
 * The head page of an account (layout and rules: format.h): a mapped cache of where the log ends,
 * and the inode of the account's lock. Everything here is shared with other processes at once.
 */
#ifndef STORE_HEAD_H
#define STORE_HEAD_H

#include "store/format.h"
#include "store/mapping.h"

struct head_page; /* the bytes */

struct head {
	int fd; /* of the one description that locks */
	struct mapping map;
	struct head_page *page;
};

/* What a writer knows under the lock. */
struct head_group {
	uint64_t end, sequence, segment;
	uint32_t chain;
	char boot[40];
};

/* Opens, and with create makes, the file: 0, or -1 with errno (ENOENT: there is none). */
int head_open(struct head *h, int dirfd, bool create);
/* It is a cache: one that is not this account's is made anew, under the lock. */
bool head_is_of(const struct head *h, const char *account);
void head_make(struct head *h, const char *account);
void head_close(struct head *h);
bool head_is_bad(const struct head *h); /* the page could not be read */

/* Lock-free glances; a reader must check what it finds at these places. */
uint64_t head_end(const struct head *h);
uint64_t head_segment(const struct head *h);
uint64_t head_sequence(const struct head *h);
uint64_t head_durable(const struct head *h);

/* Under the lock. get: false when the group's crc is wrong. */
bool head_get(const struct head *h, struct head_group *group_r);
void head_set(struct head *h, const struct head_group *group);
/* Whoever takes the lock next recovers. */
void head_spoil(struct head *h);

/* Do the two copies of durable agree? Not for an instant while somebody advances it, nor after he
 * was killed then. */
bool head_durable_agrees(const struct head *h);
/* The floor for recovery: the smaller of the two copies. */
uint64_t head_floor(const struct head *h);
/* To X at least; never back. */
void head_advance(struct head *h, uint64_t durable);
/* Recovery only, under the lock: exactly X, because the file was wrong. */
void head_reset_durable(struct head *h, uint64_t durable);

uint64_t head_failed(const struct head *h);
void head_set_failed(struct head *h, uint64_t segment);
/* Under the lock: forgets marks that name segments which are not there yet: damage. */
void head_check_marks(struct head *h, uint64_t segment);
uint64_t head_linked(const struct head *h);
void head_set_linked(struct head *h, uint64_t segment);

/* Tells whoever watches the file, in any process. */
void head_notify(struct head *h);

#endif
