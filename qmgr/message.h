/*
 * A message in memory: made by the scanner (fresh) or from a row that came due, routed, delivered,
 * reported, then done or parked. queue/queue.h has the state table.
 */
#ifndef QMGR_MESSAGE_H
#define QMGR_MESSAGE_H

#include "base/array.h"
#include "base/log.h"
#include "mail/envelope.h"
#include "qmgr/copies.h"
#include "qmgr/qmgr.h"
#include "qmgr/spool.h"
#include "queue/queue.h"
#include "queue/segment.h"

enum message_phase {
	PHASE_DELIVERING, /* routing, or jobs are with agents */
	PHASE_REPORTING,  /* senders are being told */
	PHASE_PARKING,	  /* leaves memory with the next commit */
};

#define NO_ROW (-1)

struct message {
	struct qmgr *q;
	struct pool *pool;
	struct segment *segment;
	struct list in_segment; /* among the unsettled ones of its segment, in order */
	struct list link;	/* waits to be routed */
	uint64_t at, body_at, body_size;
	struct envelope env;
	ARRAY(struct queue_recipient) rcpts;
	uint32_t attempts;
	int64_t next_s;
	int64_t row_due;	 /* next_s of its row; NO_ROW */
	int64_t not_before_s;	 /* a closed destination opens then */
	unsigned jobs;		 /* with agents or waiting for one */
	struct list queued_jobs; /* those that wait */
	unsigned crashes;	 /* agents that ended while they had it */
	unsigned saving;	 /* commits under way that have its row */
	enum message_phase phase;
	bool held, warned, parent, removed, tried, too_many_hops;
	bool routing; /* a fiber routes it and will call message_step */
	struct copy copy;
	struct log_context log;
};

/* From a record just scanned; enters it. A record whose envelope is damaged stays in its segment,
 * which is kept. */
void message_take(struct qmgr *q, struct segment *s, const struct segment_record *rec);
/* From a row; parked. NULL when the envelope is damaged; else the pool is the message's. Does not
 * wait. */
struct message *message_wake(struct qmgr *q, struct segment *s, const struct segment_record *rec,
	const struct queue_row *row, struct pool *pool);
/* A parked message is due, or goes back as it was. */
void message_start(struct message *m);
void message_put_back(struct message *m);
struct message *message_find(struct qmgr *q, uint64_t segment, uint64_t at);
/* A pool for message_wake. */
struct pool *message_pool(struct qmgr *q);
void message_pool_free(struct qmgr *q, struct pool **pool);

/* A job of it is over, or it was routed: goes on when nothing is under way any more. */
void message_step(struct message *m);
/* Called by the ledger when the row is committed. */
void message_saved(struct message *m);

/* Operators; the change is to be made durable by ledger_sync afterwards. */
void message_hold(struct message *m);
void message_release(struct message *m);
void message_remove(struct message *m);

/* What the row of it would say now. */
void message_row(const struct message *m, struct queue_row *row_r);
/* Who gets the reports for this recipient; "" nobody. */
const char *message_sender(const struct message *m, const struct queue_recipient *r);
int64_t message_expires(const struct qmgr *q, const char *sender, int64_t arrival_s);

/* The outcome of an attempt for recipient i, logged. agent: a literal or in the pool of m. */
void message_outcome(struct message *m, uint32_t i, const struct outcome *o, const char *agent);

#endif
