/*
 * Group commit: many fibers append to a file, one fdatasync makes all of them durable. Who arrives
 * while a sync is under way shares the next one; nobody lingers.
 *
 * After a failed sync the object is dead for good (design rule 8: a failed fdatasync is never
 * retried on the same file): every waiter and later caller gets -1.
 */
#ifndef IO_COMMIT_H
#define IO_COMMIT_H

#include <stdint.h>

#include "io/fiber.h"

struct commit;

/* The descriptor is borrowed. sync runs on helper threads; NULL means fdatasync(fd). */
struct commit *commit_new(int fd, int (*sync)(int fd));
/* Waits for a sync under way, and for those that it served. */
void commit_free(struct commit **c);

/* Everything written to the file before this call is durable when it returns 0; -1 with errno. */
int commit_wait(struct commit *c);
bool commit_is_dead(const struct commit *c);

/* For metrics: syncs done and callers served. */
void commit_stats(const struct commit *c, uint64_t *syncs_r, uint64_t *waits_r);

#endif
