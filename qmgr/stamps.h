/*
 * The stamps of a segment on their way to the medium. What a stamp stands in for, its message's row, the names of the
 * reports that were made of it and the segment itself, is given up after a sync that began when the stamp was written and
 * went well.
 *
 * What a sync that failed could not write the kernel takes for clean, so no later sync speaks of it (design rule 8). So
 * each stamp is remembered until it is durable, and after a failure all of them are written again before the next sync:
 * that one speaks of what it was itself given to write. Records are others' writes: of those in a segment whose sync
 * failed once no sync of ours says anything any more.
 */
#ifndef QMGR_STAMPS_H
#define QMGR_STAMPS_H

#include "base/array.h"
#include "io/fiber.h"
#include "mail/trace.h"

struct stamp {
	uint64_t at;
	/* What the ledger forgets when it is durable: */
	bool row, parent; /* the message's row, due at that time; the names of its reports */
	int64_t due_s;
	char trace[TRACE_ID_LEN + 1];
};
typedef ARRAY(struct stamp) stamp_list;

struct stamps {
	stamp_list pending;	/* not known to be durable; one for each record at most */
	struct fiber_mutex turn; /* of who syncs: a failure is told to one caller only */
	bool again;		 /* they are to be written again before the next sync */
	bool doubtful;		 /* a sync failed */
};

struct segment;
struct spool;

/* The record is done. Does not wait. */
void segment_stamp(struct segment *s, const struct stamp *stamp);
bool segment_has_stamps(const struct segment *s); /* that are not durable */
/* Makes its stamps durable, and what was written to it before. -1 when that is not sure, now or since an earlier failure. */
int segment_sync(struct segment *s);
/* The stamps of all segments. -1 when some are not durable. */
int spool_sync_stamps(struct spool *sp);

#endif
