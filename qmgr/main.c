/*
 * qmgr: owner of the queue; schedules every delivery.
 *
 * Trust: reads internal frames of submitters, agents and operators, and envelopes; of messages only
 * the header's
 *	Received fields are counted. No network, no hostile octets but inside those.
 * Owns: the queue database, its own spool segment; stamps and removes segments.
 * Talks to: smtpd and pickup (unix:queue), agents (unix:queue-agent), operators (unix:queue-admin),
 * directoryd.
 */
#include "base/log.h"
#include "qmgr/agents.h"
#include "qmgr/copies.h"
#include "qmgr/dispatch.h"
#include "qmgr/ledger.h"
#include "qmgr/load.h"
#include "qmgr/operate.h"
#include "qmgr/process.h"
#include "qmgr/reserve.h"
#include "qmgr/spool.h"
#include "queue/messages.h"

#define OWN_SEGMENT_SIZE (16u * 1024 * 1024)
#define OWN_MEMORY_MAX	 (16u * 1024 * 1024)
#define STOP_MS		 5000 /* for jobs under way at a graceful stop */
#define STOP_STEP_MS	 20

/* --- unix:queue --- */

static void run_announce(struct ipc_server_conn *conn, struct ipc_request *rq, void *arg)
{
	const struct queue_announce *body = arg;
	struct qmgr *q = ipc_conn_arg(conn);
	(void)rq;
	spool_announce(q->spool, body->segment, body->offset, body->offset + body->length);
}

static void submitter_gone(struct ipc_server_conn *conn)
{
	struct qmgr *q = ipc_conn_arg(conn);
	spool_check(q->spool);
}

static const struct ipc_handler submitter_handlers[] = {
	{&queue_announce_msg, NULL, run_announce, true},
};

static void submitters_serve(struct qmgr *q, int fd)
{
	ipc_serve(fd, submitter_handlers, COUNT_OF(submitter_handlers), q, submitter_gone);
}

/* --- who may connect where --- */

static const struct {
	const char *users; /* separated by blanks; "root" may always */
	void (*serve)(struct qmgr *q, int fd);
} listeners[] = {
	/* in the order of services.conf */
	{"smtpd drop", submitters_serve},
	{"store smtp queue", agents_serve},
	{"admin", operate_serve},
};

static bool is_user_of(const char *user, const char *users)
{
	struct span rest = span_of(users), word;
	if (!user || strcmp(user, "root") == 0)
		return user != NULL;
	while (span_split(&rest, ' ', &word))
		if (span_is(word, user))
			return true;
	return false;
}

static void serve(struct conn *conn)
{
	struct qmgr *q = conn->svc->state;
	const char *user = service_uid_user(conn->svc, conn->peer_uid);
	int fd = conn->fd;
	if (conn->listener >= COUNT_OF(listeners) ||
		!is_user_of(user, listeners[conn->listener].users)) {
		log_warning("qmgr: a connection of uid %d is refused", (int)conn->peer_uid);
		return;
	}
	conn->fd = -1;
	listeners[conn->listener].serve(q, fd);
}

/* --- life --- */

static int start_user(struct service_ctx *svc, const char **err_r)
{
	struct qmgr *q = pool_new_of(svc->pool, struct qmgr);
	svc->state = q;
	q->svc = svc;
	q->conf = svc->params;
	q->active = hash_new();
	list_init(&q->spare_pools);
	q->directory = service_ipc_client(svc, "directory");
	q->process = process_new(q);
	q->copies = copies_new(q);
	q->dispatch = dispatch_new(q);
	q->loader = load_new(q);
	if (reserve_start(q, err_r) < 0 || ledger_open(q, err_r) < 0 || spool_open(q, err_r) < 0)
		return -1;
	ledger_count_rows(q->ledger);
	const struct submitter_conf own = {.source = spool_own_segment,
		.arg = q,
		.segment_size = OWN_SEGMENT_SIZE,
		.memory_max = OWN_MEMORY_MAX};
	q->own = submitter_new(&own);
	process_start(q->process);
	dispatch_start(q->dispatch);
	ledger_start(q->ledger);
	load_start(q->loader);
	spool_start(q->spool);
	return 0;
}

static void reload(struct service_ctx *svc)
{
	struct qmgr *q = svc->state;
	q->conf = svc->params;
	dispatch_kick(q->dispatch);
}

/* What agents still answer is taken in; what they do not is tried again at the next start. */
static void stop(struct service_ctx *svc)
{
	struct qmgr *q = svc->state;
	for (int i = 0; i < STOP_MS / STOP_STEP_MS && agents_busy(dispatch_agents(q->dispatch));
		i++)
		io_sleep(STOP_STEP_MS);
	if (!agents_busy(dispatch_agents(q->dispatch)))
		submitter_free(&q->own);
	ledger_settle(q->ledger); /* fibers still run, so it is not closed: opening recovers anyway */
}

static const struct service qmgr = {
	.name = "qmgr",
	.flags = SERVICE_RAW | SERVICE_SINGLE | SERVICE_NO_NET,
	.conf_rows = qmgr_conf_rows,
	.conf_size = sizeof(struct qmgr_conf),
	.start_user = start_user,
	.serve = serve,
	.reload = reload,
	.stop = stop,
};

int main(int argc, char **argv)
{
	return service_run(&qmgr, argc, argv);
}
