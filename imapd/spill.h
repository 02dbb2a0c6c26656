/*
 * Messages on their way in from the client, one behind the other: few octets in memory, more in a
 * file without a name. Lone LF becomes CRLF on the way; NUL is remembered, for the caller to
 * refuse.
 */
#ifndef IMAPD_SPILL_H
#define IMAPD_SPILL_H

#include "base/str.h"

#define SPILL_MEMORY_MAX (256 * 1024)

struct spill {
	const char *dir; /* where the file is made */
	struct str mem;  /* all of it, or what is not in the file yet */
	int fd;          /* -1: none */
	uint64_t n;      /* octets so far: where the next message begins */
	bool cr;         /* the last one was a CR */
	bool nul, failed;
	/* What is shown of the file. */
	struct str piece;
	void *map;
	size_t map_n;
};

void spill_init(struct spill *sp, const char *dir);
void spill_fini(struct spill *sp);
void spill_add(struct spill *sp, struct span in);
/* What comes now is another message. */
void spill_next(struct spill *sp);
/* A message, when all of them are there; valid until the next call. From SPILL_MEMORY_MAX on it is a
 * mapping, to be read on helper threads. May wait. False: disk trouble, said in the log. */
bool spill_show(struct spill *sp, uint64_t at, uint64_t n, struct span *message_r);

#endif
