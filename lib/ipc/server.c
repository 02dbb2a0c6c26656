/*
 * Serving: the connection's fiber reads frames, decodes them by the handlers' table and runs each handler,
 * in place or in a fiber of its own. A request lives in its pool until its handler has returned and its
 * answer is given, whichever is later.
 */
#include "base/list.h"
#include "base/log.h"
#include "ipc/frame.h"

#include <unistd.h>

struct ipc_server_conn {
	struct list link; /* in `serving` */
	struct ipc *ipc;
	const struct ipc_handler *handlers;
	size_t n;
	void *arg, *data;
	void (*gone)(struct ipc_server_conn *conn);
	struct list calls;  /* not yet finished */
	unsigned running;   /* handlers in fibers */
	struct fiber_cond slot;
	struct pool *spare; /* of the last request, for the next */
};

struct request {
	struct ipc_request rq; /* first: handlers see only this */
	struct list link;
	struct ipc_server_conn *conn;
	const struct ipc_handler *handler;
	void *body;
	bool running, answered;
	int fds[IPC_FDS_MAX];
};

/* The connections being served, for ipc_server_drain. The engine stops the whole thread's at once and
 * programs would all have to carry such a list; fibers never leave their thread. */
static _Thread_local struct {
	struct list conns;
	bool draining;
} serving;

static struct list *serving_list(void)
{
	if (!serving.conns.next)
		list_init(&serving.conns);
	return &serving.conns;
}

void ipc_server_drain(void)
{
	serving.draining = true;
	list_each(l, serving_list())
	{
		ipc_stop_input(list_entry(l, struct ipc_server_conn, link)->ipc);
	}
}

void *ipc_conn_arg(struct ipc_server_conn *conn)
{
	return conn->arg;
}

void ipc_conn_set_data(struct ipc_server_conn *conn, void *data)
{
	conn->data = data;
}

void *ipc_conn_data(struct ipc_server_conn *conn)
{
	return conn->data;
}

struct ipc *ipc_conn_ipc(struct ipc_server_conn *conn)
{
	return conn->ipc;
}

bool ipc_conn_is_idle(const struct ipc_server_conn *conn)
{
	return list_is_empty(&conn->calls) && ipc_is_idle(conn->ipc);
}

bool ipc_server_is_idle(void)
{
	list_each(l, serving_list())
	{
		if (!ipc_conn_is_idle(list_entry(l, struct ipc_server_conn, link)))
			return false;
	}
	return true;
}

/* --- the life of a request --- */

static struct request *request_new(struct ipc_server_conn *conn, struct ipc_frame *frame)
{
	struct pool *pool = conn->spare ? conn->spare : pool_new("ipc request");
	struct request *r = pool_new_of(pool, struct request);

	conn->spare = NULL;
	r->rq.pool = pool;
	r->rq.id = frame->id;
	r->rq.fds = r->fds;
	r->rq.nfds = frame->nfds;
	memcpy(r->fds, frame->fds, sizeof(r->fds));
	frame->nfds = 0;
	r->conn = conn;
	r->answered = frame->id == 0;
	list_add_tail(&conn->calls, &r->link);
	return r;
}

static void request_free(struct request *r)
{
	struct ipc_server_conn *conn = r->conn;
	struct pool *pool = r->rq.pool;

	for (size_t i = 0; i < r->rq.nfds; i++)
		if (r->fds[i] >= 0)
			close(r->fds[i]);
	list_remove(&r->link);
	pool_reset(pool);
	if (conn->spare)
		pool_free(&pool);
	else
		conn->spare = pool;
}

static void request_ran(struct request *r)
{
	r->running = false;
	if (r->answered)
		request_free(r);
}

static struct request *answering(const struct ipc_request *rq)
{
	struct request *r = (struct request *)(uintptr_t)rq;

	if (r->answered)
		log_panic("A call of message %s is answered twice.",
			r->handler ? r->handler->msg->name : "?");
	return r;
}

static void request_answered(struct request *r)
{
	r->answered = true;
	if (!r->running)
		request_free(r);
}

void ipc_reply_fds(struct ipc_server_conn *conn, const struct ipc_request *rq, const void *body,
	const int *fds, size_t nfds)
{
	struct request *r;

	if (rq->id == 0)
		return;
	r = answering(rq);
	if (ipc_send(conn->ipc, r->handler->reply, rq->id, body, fds, nfds) < 0 &&
		ipc_is_open(conn->ipc))
		ipc_send_error(conn->ipc, rq->id, "The answer can't be sent in one message.");
	request_answered(r);
}

void ipc_reply(struct ipc_server_conn *conn, const struct ipc_request *rq, const void *body)
{
	ipc_reply_fds(conn, rq, body, NULL, 0);
}

void ipc_refuse(struct ipc_server_conn *conn, const struct ipc_request *rq, const char *sentence)
{
	struct request *r;

	if (rq->id == 0)
		return;
	r = answering(rq);
	ipc_send_error(conn->ipc, rq->id, sentence);
	request_answered(r);
}

/* --- the connection's fiber --- */

static const struct ipc_handler *find_handler(struct ipc_server_conn *conn, uint16_t type)
{
	for (size_t i = 0; i < conn->n; i++)
		if (conn->handlers[i].msg->type == type)
			return &conn->handlers[i];
	return NULL;
}

static void run_fiber(void *arg)
{
	struct request *r = arg;
	struct ipc_server_conn *conn = r->conn;

	r->handler->run(conn, &r->rq, r->body);
	request_ran(r);
	conn->running--;
	fiber_wake_all(&conn->slot);
}

static void start_fiber(struct ipc_server_conn *conn, struct request *r)
{
	if (conn->running >= IPC_CALLS_MAX) {
		ipc_batch(conn->ipc, false);
		while (conn->running >= IPC_CALLS_MAX)
			fiber_wait(&conn->slot, IO_FOREVER);
		ipc_batch(conn->ipc, true);
	}
	conn->running++;
	fiber_start("ipc call", run_fiber, r);
}

static void unknown_type(struct ipc_server_conn *conn, struct ipc_frame *frame)
{
	struct str why = STR_INIT;

	str_printf(&why, "Messages of type 0x%04x are not known here.", frame->type);
	log_debug("%s", str_c(&why));
	if (frame->id)
		ipc_send_error(conn->ipc, frame->id, str_c(&why));
	str_fini(&why);
	ipc_frame_close(frame);
}

/* -1: the frame is malformed, the connection is to end. */
static int dispatch(struct ipc_server_conn *conn, struct ipc_frame *frame)
{
	const struct ipc_handler *h = find_handler(conn, frame->type);
	const char *err;
	struct request *r;

	if (!h) {
		unknown_type(conn, frame);
		return 0;
	}
	r = request_new(conn, frame);
	r->handler = h;
	r->body = pool_alloc(r->rq.pool, h->msg->size);
	if (ipc_parse(r->rq.pool, h->msg, frame->payload, r->body, &err) < 0) {
		log_warning("An internal connection is closed: %s", err);
		request_free(r);
		return -1;
	}
	if (r->rq.id && !h->reply) {
		ipc_refuse(conn, &r->rq, "This message is a notice, it has no answer.");
		return 0;
	}
	r->running = true;
	if (!h->inline_) {
		start_fiber(conn, r);
		return 0;
	}
	h->run(conn, &r->rq, r->body);
	request_ran(r);
	return 0;
}

static void serve_frames(struct ipc_server_conn *conn)
{
	struct ipc_frame frame;

	ipc_batch(conn->ipc, true);
	while (ipc_receive(conn->ipc, &frame, IO_FOREVER) == 1) {
		if (dispatch(conn, &frame) < 0) {
			ipc_kill(conn->ipc);
			break;
		}
		fiber_breathe();
	}
	ipc_batch(conn->ipc, false);
	while (conn->running)
		fiber_wait(&conn->slot, IO_FOREVER);
}

struct ipc_server_conn *ipc_server_new(int fd, const struct ipc_handler *handlers, size_t n,
	void *arg, void (*gone)(struct ipc_server_conn *conn))
{
	struct ipc_server_conn *conn = mem_new(struct ipc_server_conn);

	conn->ipc = ipc_new(fd);
	conn->handlers = handlers;
	conn->n = n;
	conn->arg = arg;
	conn->gone = gone;
	list_init(&conn->calls);
	list_add_tail(serving_list(), &conn->link);
	if (serving.draining)
		ipc_stop_input(conn->ipc);
	return conn;
}

void ipc_server_run(struct ipc_server_conn *conn)
{
	serve_frames(conn);
	if (conn->gone)
		conn->gone(conn);
	list_each(l, &conn->calls)
	{
		request_free(list_entry(l, struct request, link));
	}
	if (ipc_is_open(conn->ipc))
		ipc_flush(conn->ipc, io_deadline(IPC_CALL_MS));
	list_remove(&conn->link);
	ipc_close(&conn->ipc);
	pool_free(&conn->spare);
	mem_free(&conn);
}

void ipc_serve(int fd, const struct ipc_handler *handlers, size_t n, void *arg,
	void (*gone)(struct ipc_server_conn *conn))
{
	ipc_server_run(ipc_server_new(fd, handlers, n, arg, gone));
}
