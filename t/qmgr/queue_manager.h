/* qmgr without a process frame, agents and routes, in a folder of its own: its test is who ends messages. */
#ifndef T_QMGR_QUEUE_MANAGER_H
#define T_QMGR_QUEUE_MANAGER_H

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/clock.h"
#include "qmgr/copies.h"
#include "qmgr/dispatch.h"
#include "qmgr/ledger.h"
#include "qmgr/load.h"
#include "qmgr/message.h"
#include "qmgr/process.h"
#include "qmgr/spool.h"
#include "t/lib/kv/folder.h"

#define PATIENCE_MS 60000

/* --- lib/service --- */

static unsigned housekeepings; /* this process has no context that it could be handed in */

void service_gauge(struct service_ctx *svc, unsigned index, uint64_t value)
{
	(void)svc, (void)value;
	housekeepings += index == GAUGE_PARKED;
}

void service_count(struct service_ctx *svc, unsigned index, uint64_t add)
{
	(void)svc, (void)index, (void)add;
}

void service_progress(struct service_ctx *svc)
{
	(void)svc;
}

const char *service_uid_user(struct service_ctx *svc, uid_t uid)
{
	(void)svc, (void)uid;
	return NULL;
}

/* --- the folder --- */

static inline int open_folder(const char *dir, const char *name)
{
	char path[100];
	snprintf(path, sizeof(path), "%s/%s", dir, name);
	mkdir(path, 0700);
	return open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
}

/* --- qmgr --- */

static inline struct qmgr *qmgr_start(const char *dir)
{
	static struct common_conf common;
	static struct qmgr_conf conf = {.active_max = 100,
		.retry_first = 1000,
		.retry_most = 1000,
		.expire = 86400000,
		.bounce_expire = 86400000,
		.destination_concurrency = 5,
		.local_concurrency = 5,
		.recipients_per_delivery = 50,
		.scan_interval = 100,
		.damage_wait = 60000};
	static struct service_ctx svc;
	const char *err;
	struct qmgr *q = mem_new(struct qmgr);
	common = (struct common_conf){.queue_dir = dir, .hop_limit = 100};
	svc = (struct service_ctx){.pool = pool_new("process"), .common = &common, .state = q};
	*q = (struct qmgr){.svc = &svc, .conf = &conf, .active = hash_new()};
	list_init(&q->spare_pools);
	q->directory = ipc_client_new("/nonexistent");
	q->copies = copies_new(q);
	q->process = process_new(q);
	q->dispatch = dispatch_new(q);
	q->loader = load_new(q);
	if (ledger_open(q, &err) < 0 || spool_open(q, &err) < 0)
		log_fatal("%s", err);
	ledger_count_rows(q->ledger);
	return q;
}

/* What follows in fibers. */
static inline void qmgr_run(struct qmgr *q)
{
	ledger_start(q->ledger);
	spool_start(q->spool);
}

#define WAIT_FOR(what)                                                                             \
	for (int64_t end_ = clock_mono_ms() + PATIENCE_MS; !(what); io_sleep(5))                   \
		if (clock_mono_ms() > end_)                                                        \
			log_fatal("waited in vain for " #what)
#define CHECK(what)                                                                                \
	do {                                                                                       \
		if (!(what))                                                                       \
			log_fatal("%s:%d: not " #what, __FILE__, __LINE__);                        \
	} while (0)

#endif
