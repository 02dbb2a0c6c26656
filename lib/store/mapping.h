/*
 * Mapped files that can't kill the process (design rule 19). A page that the medium refuses, or
 * that somebody cut off the file, raises SIGBUS; for a range known here the handler puts a page of
 * zeros in its place and marks the range, and its owner finds out at its next step. Readers must
 * cope with zeros.
 */
#ifndef STORE_MAPPING_H
#define STORE_MAPPING_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>

struct mapping {
	void *p;
	size_t n;
	unsigned slot;
};

/* shared: writes reach the file; else they are private copies of pages. 0, or -1 with errno. Maps
 * at most MAPPINGS_MAX ranges a process (EMFILE beyond). */
int mapping_open(struct mapping *m, int fd, size_t n, bool shared);
void mapping_close(struct mapping *m); /* safe on a zeroed one, and twice */
bool mapping_is_bad(const struct mapping *m);

#define MAPPINGS_MAX 32768

#endif
