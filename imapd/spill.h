/*
 * A message on its way in from the client: short ones in memory, long ones in a file without a
 * name. Lone LF becomes CRLF on the way; NUL is remembered, for the caller to refuse.
 */
#ifndef IMAPD_SPILL_H
#define IMAPD_SPILL_H

#include "base/str.h"

#define SPILL_MEMORY_MAX (256 * 1024)

struct spill {
	const char *dir; /* where the file is made */
	struct str mem;  /* all of it, or what is not in the file yet */
	int fd;          /* -1: none */
	uint64_t n;      /* octets so far */
	bool cr;         /* the last one was a CR */
	bool nul, failed;
	void *map;
};

void spill_init(struct spill *sp, const char *dir);
void spill_fini(struct spill *sp);
void spill_add(struct spill *sp, struct span in);
/* The whole message, valid until spill_fini. False: disk trouble, said in the log. */
bool spill_finish(struct spill *sp, struct span *message_r);

#endif
