/*
 * qmgr: the queue's only owner. What its modules share.
 *
 *	spool      segments: finds, scans, removes them
 *	stamps     of what is done in them, until they are durable
 *	ledger     the queue database: rows, positions, children
 *	load       rows back into memory
 *	message    a message in memory and its life from scan to done
 *	process    routes recipients, makes jobs of them
 *	dispatch   destinations, fairness, pace
 *	agents     connections of delivery agents: work out, results in
 *	copies     messages in memory for agents that get no segments, within a limit
 *	report     who must be told what
 *	operate    what operators ask for
 */
#ifndef QMGR_QMGR_H
#define QMGR_QMGR_H

#include "base/hash.h"
#include "base/list.h"
#include "io/fiber.h"
#include "ipc/ipc.h"
#include "params/qmgr.h"
#include "queue/submit.h"
#include "service/service.h"

struct qmgr {
	struct service_ctx *svc;
	const struct qmgr_conf *conf;
	struct ipc_client *directory;
	struct submitter *own; /* writes qmgr's own segment */
	struct spool *spool;
	struct ledger *ledger;
	struct loader *loader;
	struct copies *copies;
	struct dispatch *dispatch;
	struct process *process;
	struct hash *active;	 /* messages in memory, by place */
	struct list spare_pools; /* of finished messages, for the next */
	unsigned spares;
	bool started; /* agents may come */
	int64_t time_base_ms; /* queue_time.c */
};

/* Fresh messages are read while there are fewer than this in memory; the rest is for rows that come
 * due. */
static inline bool qmgr_has_room(const struct qmgr *q)
{
	return hash_count(q->active) < q->conf->active_max - q->conf->active_max / 4;
}
static inline size_t qmgr_room_for_rows(const struct qmgr *q)
{
	size_t n = hash_count(q->active);
	return n < q->conf->active_max ? q->conf->active_max - n : 0;
}

enum qmgr_counter {
	COUNT_QUEUED,
	COUNT_DELIVERED,
	COUNT_RELAYED,
	COUNT_DEFERRED,
	COUNT_FAILED,
	COUNT_REPORTS,
	GAUGE_ACTIVE,
	GAUGE_PARKED
};

#endif
