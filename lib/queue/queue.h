/*
 * The queue's state, in memory and on disk. Three things are durable: spool segments (segment.h),
 * which hold every accepted message and are the truth; DONE stamps in them; and the queue database,
 * which holds what the segments can't tell: rows of messages that were not finished at the first
 * attempt, and how far each segment is settled. A message that is delivered at once never touches
 * the database.
 *
 *	state                segment record  row  position  in memory  leaves it by
 *	spooled              whole           -    <= it     -          the scanner reads it: active
 *	active               whole           -    <= it     yes        outcomes: done, parked
 *	active again         whole           yes  any       yes        outcomes: done, parked
 *	parked (deferred)    whole           yes  any       -          its time comes: active again
 *	held                 whole           yes  any       -          release: parked, due now
 *	ending               whole           done any       -          flush, stamp, sync: done
 *	done                 stamped         -    any       -          the segment is removed
 *	removed (operator)   whole           done any       perhaps    its jobs are over: ending
 *
 * "position <= it": a segment's position is the place of its first record that is neither done nor
 * has a row; it is written in the same transaction as the rows, or later.
 *
 * A recipient is waiting, sent (an agent has it), failed (its sender is yet to be told), expanded
 * (others stand for it) or done. Rows know no `sent`: what an agent had when qmgr died is waiting
 * again.
 *
 * Crash argument. After a crash every segment is read from its position. A record found there that
 * is stamped is done; one that has a row is the row's; any other is new. So nothing is lost,
 * whatever was not yet written:
 *  - no row, no stamp: the attempt is repeated. `local` stores a delivery once, whatever the count
 *    (rule 17); for other agents an outcome that leaves the message unfinished is written at once,
 *    in the next transaction, and one that finishes it is the stamp, before anything else is sent
 *    or said.
 *  - what had a row gets one that says done, the log is flushed, the record stamped, the stamp
 *    synced, and then the row goes (rule 3): whichever of them a power cut leaves, at most the last
 *    second's attempts are repeated, and no earlier ones; a row whose segment is gone is closed, and
 *    logged unless it says done.
 *  - a segment is removed when it is sealed or its owner is gone, it is scanned to its end, neither
 *    memory nor database has a message of it, and its stamps are synced (its name may come back). Its
 *    position is forgotten when the removal is synced, too.
 *  - stamps count as synced, for that and for the names of reports, after a sync that went well and
 *    for which this very process wrote them: after one that failed, and at a start, those that may
 *    not be on the medium are written again (rule 8; a later sync would just say well).
 *  - the position stays at a whole record whose envelope can't be read, so that its segment is
 *    kept, and at a place that was passed over while its writer lived: he may have been stopped
 *    for long, and finish it. When nothing is written there any more, all from there on is read
 *    again as after a crash.
 *  - a segment that can't be opened or read now keeps its rows; they are tried again.
 *  - mail made of mail (reports) is appended to qmgr's own segment and synced before the parent's
 *    outcome is written. Its id derives from parent and step, and the table of children remembers
 *    that it was made until the parent is durably done; the scanner of qmgr's own segment enters it too,
 *    before any agent gets work, for the crash in between; it syncs it first, since what nobody has
 *    synced a power cut may still take away.
 *  - database wiped or damaged: all segments are read from their start; stamped records are
 *    skipped, the others are new. What is lost is the count of attempts, the wish to hold, and
 *    which of several recipients were served: those get the message twice, unless they are local.
 */
#ifndef QUEUE_QUEUE_H
#define QUEUE_QUEUE_H

#include "base/str.h"
#include "mail/outcome.h"
#include "mail/trace.h"

enum recipient_state {
	RCPT_WAITING,
	RCPT_SENT,
	RCPT_FAILED,   /* for good, and the sender has not been told */
	RCPT_EXPANDED, /* others stand for it */
	RCPT_DONE,
	RCPT_STATES
};

#define QUEUE_NO_PARENT UINT32_MAX

struct queue_recipient {
	const char *address;
	const char *sender; /* "": the envelope's; else who gets its reports (owner of a list) */
	uint32_t origin;    /* which of the envelope's recipients it stems from */
	uint32_t parent;    /* which of this array was expanded to it; QUEUE_NO_PARENT */
	unsigned notify;    /* NOTIFY_* */
	enum recipient_state state;
	bool reported; /* a success report was made */
	uint32_t attempts;
	struct outcome last; /* of the last attempt; status "" before it */
	const char *agent;   /* who made it */
};

/* What the database knows of a message. The envelope stays in the segment; sender and size are here
 * for lists. */
struct queue_row {
	char trace[TRACE_ID_LEN + 1];
	const char *sender;
	int64_t arrival_s, next_s; /* next_s 0: held */
	uint64_t size;
	uint32_t attempts;
	bool held, warned, parent; /* warned: of the delay; parent: has children in their table */
	bool done;		   /* nothing is left to do but stamp the record */
	struct queue_recipient *recipients;
	size_t n;
};
#define QUEUE_ROW_RECIPIENTS_MAX 200000

void queue_row_put(struct str *out, const struct queue_row *row);
/* Strings and arrays are the pool's. 0, -1 when it is damaged. */
int queue_row_parse(struct span blob, struct pool *pool, struct queue_row *row_r);

/* Keys of the database's tables: big endian, so that their bytes sort as the numbers do. */
#define QUEUE_PLACE_LEN 16
void queue_place_put(struct str *out, uint64_t segment, uint64_t at);
bool queue_place_parse(struct span key, uint64_t *segment_r, uint64_t *at_r);
void queue_due_put(struct str *out, int64_t at_s, uint64_t segment, uint64_t at);
bool queue_due_parse(struct span key, int64_t *at_s_r, uint64_t *segment_r, uint64_t *at_r);

/* The id of the message that `step` makes out of `parent`: always the same (rule 5). It sorts
 * beside its parent. */
void queue_child_trace(const char *parent, const char *step, struct trace_id *id_r);

#endif
