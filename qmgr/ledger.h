/* The queue database. Changes gather while a commit is under way; the next one takes them all. */
#ifndef QMGR_LEDGER_H
#define QMGR_LEDGER_H

#include "kv/kv.h"
#include "qmgr/message.h"

enum ledger_table { TABLE_ROWS, TABLE_DUE, TABLE_TRACES, TABLE_SEGMENTS, TABLE_CHILDREN };

/* Opens it; a damaged one is set aside, so that everything comes from the segments again. */
int ledger_open(struct qmgr *q, const char **err_r);
void ledger_start(struct ledger *l);

/* The message's row as it is now; it counts as settled from here on. message_saved follows. */
void ledger_save(struct ledger *l, struct message *m);
/* Its row says that it is done; then, when that is flushed, its record is stamped, and the row goes when the stamp is durable.
 * The message may be freed at once. */
void ledger_finish(struct ledger *l, struct message *m);
/* Those stamps are durable: rows and children's names of their messages go. */
void ledger_forget(struct ledger *l, struct segment *s, const stamp_list *stamps);
/* Deletes a row whose record is gone; s: its segment, NULL when that is gone, too. Its place, which the caller has
 * blocked, is free with the commit: until then the row is still found. */
void ledger_drop_lost(
	struct ledger *l, uint64_t segment, uint64_t at, const struct queue_row *row, struct segment *s);
/* A row whose record can't be read now: due again at that time. Its place is free with the commit. */
void ledger_put_off(struct ledger *l, uint64_t segment, uint64_t at, const struct queue_row *row, int64_t due_s);
/* All changes up to now are committed when it returns: readers find them. */
void ledger_commit(struct ledger *l);
/* The same, and durable. */
void ledger_sync(struct ledger *l);
/* At the end: what is done is stamped, too, and that durable, and its children forgotten. */
void ledger_settle(struct ledger *l);

/* Segments: position and whether it is our own; read at start. */
bool ledger_segment(struct ledger *l, uint64_t id, uint64_t *position_r, bool *own_r);
int ledger_add_own_segment(struct ledger *l, uint64_t id); /* durable when it returns 0 */
void ledger_forget_segment(struct ledger *l, uint64_t id);
/* Counts the rows of each segment at start; those whose segment is gone are closed and logged. */
void ledger_count_rows(struct ledger *l);

bool ledger_has_row(struct ledger *l, uint64_t segment, uint64_t at);
/* 1 found, 0 none. */
int ledger_row(struct ledger *l, uint64_t segment, uint64_t at, struct pool *pool,
	struct queue_row *row_r);

/* Children (rule 5). */
bool ledger_has_child(struct ledger *l, const char *parent, const char *step);
void ledger_add_child(struct ledger *l, const char *parent, const char *step);

/* Keys of rows by the time when they are due, at or behind `from` (queue_due_put). */
size_t ledger_due(struct ledger *l, struct span from, size_t limit, struct pool *pool,
	struct kv_row **rows_r);

/* For lists: places by trace id, after `after`. */
struct ledger_place {
	char trace[TRACE_ID_LEN + 1];
	uint64_t segment, at;
};
size_t ledger_places(struct ledger *l, const char *from, bool after, size_t limit,
	struct pool *pool, struct ledger_place **v_r);
uint64_t ledger_rows(const struct ledger *l);

#endif
