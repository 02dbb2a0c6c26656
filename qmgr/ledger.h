/* The queue database. Changes gather while a commit is under way; the next one takes them all. */
#ifndef QMGR_LEDGER_H
#define QMGR_LEDGER_H

#include "kv/kv.h"
#include "qmgr/message.h"

enum ledger_table { TABLE_ROWS, TABLE_DUE, TABLE_TRACES, TABLE_SEGMENTS, TABLE_CHILDREN };

/* Opens it; a damaged one is set aside, so that everything comes from the segments again. */
int ledger_open(struct qmgr *q, const char **err_r);
void ledger_start(struct ledger *l);
/* Commits and flushes what there is, closes. */
void ledger_close(struct ledger *l);

/* The message's row as it is now; it counts as settled from here on. message_saved follows. */
void ledger_save(struct ledger *l, struct message *m);
/* Deletes the row; then, when that is flushed, stamps the record. The message may be freed at once.
 * */
void ledger_finish(struct ledger *l, struct message *m);
/* A row whose message is not in memory, for operators. */
void ledger_put_row(struct ledger *l, uint64_t segment, uint64_t at, int64_t was_due_s,
	const struct queue_row *row);
void ledger_drop_row(struct ledger *l, struct segment *s, uint64_t at, const struct queue_row *row);
/* Deletes a row whose record is gone. */
void ledger_drop_lost(struct ledger *l, uint64_t segment, uint64_t at, const struct queue_row *row);
/* All changes up to now are durable when it returns. */
void ledger_sync(struct ledger *l);

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

/* Rows that come due are loaded while there is room; kick it when a row became due earlier than
 * known. */
void ledger_kick(struct ledger *l, int64_t due_s);

/* For lists: places by trace id, after `after`. */
struct ledger_place {
	char trace[TRACE_ID_LEN + 1];
	uint64_t segment, at;
};
size_t ledger_places(struct ledger *l, const char *from, bool after, size_t limit,
	struct pool *pool, struct ledger_place **v_r);
uint64_t ledger_rows(const struct ledger *l);

#endif
