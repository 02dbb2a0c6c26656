/* The segments qmgr knows: found in the folder, scanned by one fiber, removed when nothing of them
 * is left. */
#ifndef QMGR_SPOOL_H
#define QMGR_SPOOL_H

#include "qmgr/qmgr.h"
#include "qmgr/stamps.h"
#include "queue/segment.h"

struct segment {
	struct list link;
	struct qmgr *q;
	struct spool *spool;
	uint64_t id;
	int fd;			       /* for stamps; also tries the lock; -1 while it can't be opened */
	int trouble;		       /* errno of the last try to open it or read its header */
	int shared_fd;		       /* read-only, for agents; -1 until one needs it */
	struct segment_reader *reader; /* NULL until there is a header */
	uint64_t scanned;	       /* the next place to look at */
	uint64_t limit;		       /* known to be synced */
	uint64_t saved;		       /* position in the database */
	struct list unsettled;	       /* messages, by place */
	struct stamps stamps;
	unsigned active;	       /* messages in memory */
	uint64_t rows;		       /* in the database, or being deleted there */
	uint64_t stalled_at;	       /* a record that is announced and not whole, */
	int64_t stalled_since;	       /* in monotonic milliseconds */
	bool closed;		       /* its owner is gone */
	bool ended;		       /* scanned to its end */
	bool old;		       /* was there when we started: records may have rows */
	bool own;		       /* written by some qmgr */
	bool broken;		       /* keeps what can't be read: never removed */
	uint64_t broken_at;	       /* the first such record: the position stays there; 0 none */
	uint64_t passed_at;	       /* the first place passed over while the owner lived; 0 none: the same */
	bool rewind;		       /* what was passed over is whole now */
};

/* Opens the folder and every segment in it. Positions and counts of rows come from the ledger,
 * which must be open. A segment that can't be opened is known all the same, so that its rows stay. */
int spool_open(struct qmgr *q, const char **err_r);
/* Starts scanning. */
void spool_start(struct spool *s);
/* Until the scanner has been once through all that was there at the start, and all that was announced
 * by now, or the deadline: before that nobody can tell what is in the queue. */
void spool_wait_until_known(struct spool *s, int64_t deadline);
/* Where a submitter says that a record of the segment is, and ends. */
void spool_announce(struct spool *sp, uint64_t id, uint64_t at, uint64_t end);
/* A submitter left: perhaps its segment has ended. */
void spool_check(struct spool *s);
/* Something changed: room in memory, a segment that may go. */
void spool_kick(struct spool *s);
struct segment *spool_find(struct spool *s, uint64_t id);
struct list *spool_segments(struct spool *s);
/* A fresh segment of our own; a segment_source_fn. */
int spool_own_segment(void *arg, uint64_t *id_r, const char **err_r);
/* Reads the record of a row, its envelope into *envelope. SEGMENT_ERROR: not now. */
enum segment_found spool_read(
	struct segment *s, uint64_t at, struct str *envelope, struct segment_record *rec_r);

uint64_t segment_position(const struct segment *s);
int segment_shared(struct segment *s);

#define ATTRIBUTE_PARENT "parent"
#define ATTRIBUTE_STEP	 "step"

#endif
