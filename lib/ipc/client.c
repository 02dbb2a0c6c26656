/*
 * Calls. Each connection has a reading fiber that hands replies to the callers waiting for them; callers
 * wait on the loop, so many fibers share the connection, and a tool without fibers simply blocks.
 *
 * When a connection ends, a call whose frame had not been written whole surely was not received: it goes
 * out again on the next connection. One that was written may have been done; only its caller knows
 * whether doing it twice is harmless (ipc_call.repeat).
 */
#include <errno.h>

#include "base/clock.h"
#include "base/list.h"
#include "base/log.h"
#include "io/loop.h"
#include "ipc/frame.h"

#include <unistd.h>

#define TRIES_MAX     4
#define BACKOFF_FIRST 20 /* ms; doubles to the next */
#define BACKOFF_MOST  500

struct ipc_client {
	unsigned refs; /* owner, readers */
	bool freed;
	char *path; /* or name, when somebody else connects */
	int (*connect)(void *arg);
	void *connect_arg;
	struct ipc *ipc; /* borrowed from its link; NULL when there is none */
	bool was_open;
	unsigned failures; /* in a row */
	int64_t retry_at;  /* no attempt before */
	struct fiber_mutex connecting;
	struct list calls; /* that wait for an answer, oldest first */
	uint32_t next_id;
	void (*notice)(void *arg, struct ipc_frame *frame);
	void *notice_arg;
	void (*end)(void *arg);
	void *end_arg;
};

/* A connection and its reading fiber. */
struct link {
	struct ipc_client *client;
	struct ipc *ipc;
};

enum wait_state { WAITING, ANSWERED, REFUSED, BAD_ANSWER, UNSENT, LOST };

struct waiting {
	struct list link;
	struct ipc *ipc;
	uint32_t id;
	uint64_t end; /* ipc_queued after its frame */
	const struct ipc_call *call;
	struct pool *pool;
	struct fiber_cond cond;
	enum wait_state state;
	const char *why;
};

static int connect_path(void *arg)
{
	struct ipc_client *c = arg;

	return io_connect_unix(c->path, io_deadline(IPC_CALL_MS));
}

struct ipc_client *ipc_client_new_connector(int (*connect)(void *arg), void *arg)
{
	struct ipc_client *c = mem_new(struct ipc_client);

	c->refs = 1;
	c->connect = connect;
	c->connect_arg = arg;
	c->next_id = 1;
	list_init(&c->calls);
	return c;
}

struct ipc_client *ipc_client_new(const char *path)
{
	struct ipc_client *c = ipc_client_new_connector(connect_path, NULL);

	c->connect_arg = c;
	c->path = mem_strdup(path);
	return c;
}

void ipc_client_set_name(struct ipc_client *c, const char *name)
{
	mem_free(&c->path);
	c->path = mem_strdup(name);
}

static void release(struct ipc_client *c)
{
	if (--c->refs)
		return;
	mem_free(&c->path);
	mem_free(&c);
}

void ipc_client_on_notice(
	struct ipc_client *c, void (*fn)(void *arg, struct ipc_frame *frame), void *arg)
{
	c->notice = fn;
	c->notice_arg = arg;
}

void ipc_client_on_end(struct ipc_client *c, void (*fn)(void *arg), void *arg)
{
	c->end = fn;
	c->end_arg = arg;
}

bool ipc_client_has_input(const struct ipc_client *c)
{
	return c->ipc && ipc_has_input(c->ipc);
}

/* --- the reading fiber --- */

static struct waiting *find_waiting(struct ipc_client *c, struct ipc *ipc, uint32_t id)
{
	list_each(l, &c->calls)
	{
		struct waiting *w = list_entry(l, struct waiting, link);
		if (w->id == id && w->ipc == ipc)
			return w;
	}
	return NULL;
}

static void finish(struct waiting *w, enum wait_state state)
{
	w->state = state;
	list_remove(&w->link);
	fiber_wake_all(&w->cond);
}

/* The descriptors become the caller's, if it wants them. */
static void take_fds(const struct ipc_call *call, struct ipc_frame *frame)
{
	if (!call->nfds_r)
		return;
	*call->nfds_r = frame->nfds;
	memcpy(call->fds_r, frame->fds, frame->nfds * sizeof(frame->fds[0]));
	frame->nfds = 0;
}

static void take_answer(struct waiting *w, struct ipc_frame *frame)
{
	const struct ipc_call *call = w->call;
	struct ipc_error error;

	if (frame->type == IPC_TYPE_ERROR &&
		ipc_parse(w->pool, &ipc_error_msg, frame->payload, &error, &w->why) == 0) {
		w->why = error.sentence;
		finish(w, REFUSED);
	} else if (call->reply_type && frame->type == call->reply_type->type &&
		ipc_parse(w->pool, call->reply_type, frame->payload, call->reply, &w->why) == 0) {
		take_fds(call, frame);
		finish(w, ANSWERED);
	} else {
		if (!w->why)
			w->why = "The answer is of another type than expected.";
		finish(w, BAD_ANSWER);
	}
}

static void take_frame(struct ipc_client *c, struct ipc *ipc, struct ipc_frame *frame)
{
	struct waiting *w;

	if (frame->id == 0) {
		if (c->notice && !c->freed)
			c->notice(c->notice_arg, frame);
	} else if ((w = find_waiting(c, ipc, frame->id))) {
		take_answer(w, frame); /* else its caller has given up */
	}
	ipc_frame_close(frame);
}

static void fail_calls(struct ipc_client *c, struct ipc *ipc)
{
	list_each(l, &c->calls)
	{
		struct waiting *w = list_entry(l, struct waiting, link);
		if (w->ipc == ipc)
			finish(w, w->end > ipc_sent(ipc) ? UNSENT : LOST);
	}
}

/* The server closes in order: what it has not read goes to the next connection, what it has is answered. */
static void on_refused(void *arg, struct ipc *ipc)
{
	struct ipc_client *c = arg;

	list_each(l, &c->calls)
	{
		struct waiting *w = list_entry(l, struct waiting, link);
		if (w->ipc == ipc && w->end > ipc_sent(ipc))
			finish(w, UNSENT);
	}
}

static void read_fiber(void *arg)
{
	struct link *link = arg;
	struct ipc_client *c = link->client;
	struct ipc_frame frame;

	while (ipc_receive(link->ipc, &frame, IO_FOREVER) == 1)
		take_frame(c, link->ipc, &frame);
	if (c->ipc == link->ipc)
		c->ipc = NULL;
	ipc_kill(link->ipc);
	fail_calls(c, link->ipc);
	if (c->end && !c->freed)
		c->end(c->end_arg);
	ipc_close(&link->ipc);
	release(c);
	mem_free(&link);
}

/* --- connecting --- */

static void attach(struct ipc_client *c, int fd)
{
	struct link *link = mem_new(struct link);

	link->client = c;
	link->ipc = c->ipc = ipc_new(fd);
	ipc_on_refused(link->ipc, on_refused, c);
	c->refs++;
	c->was_open = true;
	c->failures = 0;
	fiber_start("ipc reader", read_fiber, link);
}

static int connect_none(void *arg)
{
	(void)arg;
	errno = ENOTCONN;
	return -1;
}

struct ipc_client *ipc_client_new_fd(int fd)
{
	struct ipc_client *c = ipc_client_new_connector(connect_none, NULL);

	attach(c, fd);
	c->was_open = false; /* so that nobody waits for it to come back */
	return c;
}

static const char *no_connection(struct ipc_client *c, struct pool *pool, int error)
{
	return pool_printf(pool, "There is no connection to %s: %s.",
		c->path ? c->path : "the service", strerror(error));
}

/* Its owner has freed it while others were at it. */
static int gave_up(const char **err_r)
{
	*err_r = "The connection was given up.";
	return -1;
}

/* One attempt after the back-off: 0, -1 it failed, 1 it may be tried again. */
static int try_connect(struct ipc_client *c, struct pool *pool, int64_t deadline, const char **err_r)
{
	int64_t now = clock_mono_ms(), pause = (int64_t)BACKOFF_FIRST << c->failures;
	int fd;

	if (c->retry_at > now)
		io_sleep((c->retry_at < deadline ? c->retry_at : deadline) - now);
	fd = c->connect(c->connect_arg);
	if (c->freed) {
		io_close(&fd);
		return gave_up(err_r);
	}
	if (fd >= 0) {
		attach(c, fd);
		return 0;
	}
	*err_r = no_connection(c, pool, fd == IO_TIMEOUT ? ETIMEDOUT : errno);
	c->retry_at = clock_mono_ms() + (pause < BACKOFF_MOST ? pause : BACKOFF_MOST);
	if (c->failures < 8)
		c->failures++;
	return c->was_open && c->failures < TRIES_MAX && clock_mono_ms() < deadline ? 1 : -1;
}

/* A connection that has worked before is given a moment to come back; one that never was is not
 * waited for. */
static int open_locked(
	struct ipc_client *c, struct pool *pool, int64_t deadline, const char **err_r)
{
	int rc = 0;

	while (!c->freed && !ipc_is_open(c->ipc) &&
		(rc = try_connect(c, pool, deadline, err_r)) > 0)
		;
	return c->freed ? gave_up(err_r) : rc;
}

int ipc_client_open(struct ipc_client *c, struct pool *pool, int64_t deadline, const char **err_r)
{
	int rc;

	if (ipc_is_open(c->ipc))
		return 0;
	c->refs++; /* it may be freed meanwhile */
	rc = fiber_lock(&c->connecting, deadline);
	if (rc < 0) {
		*err_r = "There was no connection before the deadline.";
	} else {
		rc = open_locked(c, pool, deadline, err_r);
		fiber_unlock(&c->connecting);
	}
	release(c);
	return rc;
}

void ipc_client_free(struct ipc_client **cp)
{
	struct ipc_client *c = *cp;
	struct ipc *ipc = c ? c->ipc : NULL;

	if (!c)
		return;
	c->freed = true;
	if (ipc) {
		ipc_hold(ipc); /* its reader may come to the end while this waits */
		ipc_flush(ipc, io_deadline(0));
		ipc_kill(ipc);
		ipc_release(ipc);
	}
	release(c);
	*cp = NULL;
	/* A tool runs no loop of its own, in which the reader could come to its end. */
	if (!fiber_self())
		loop_turn(0);
}

/* --- calling --- */

static uint32_t new_id(struct ipc_client *c)
{
	uint32_t id = c->next_id++;

	if (c->next_id == 0)
		c->next_id = 1;
	return id;
}

/* Sends and waits; what came of it is in w->state. */
static void call_once(
	struct ipc_client *c, struct pool *pool, const struct ipc_call *call, int64_t deadline,
	struct waiting *w)
{
	*w = (struct waiting){
		.ipc = c->ipc, .id = new_id(c), .call = call, .pool = pool, .state = UNSENT};
	if (ipc_send(c->ipc, call->request, w->id, call->body, call->fds, call->nfds) < 0)
		return;
	w->end = ipc_queued(c->ipc);
	w->state = WAITING;
	list_add_tail(&c->calls, &w->link);
	while (w->state == WAITING)
		if (fiber_wait(&w->cond, deadline) < 0)
			break;
	if (w->state == WAITING)
		list_remove(&w->link);
}

static int result(const struct waiting *w, const char **err_r)
{
	switch (w->state) {
	case ANSWERED:
		return 0;
	case REFUSED:
		*err_r = w->why;
		return IPC_REFUSED;
	case BAD_ANSWER:
		*err_r = w->why;
		return -1;
	case WAITING:
		*err_r = "There was no answer before the deadline.";
		return -1;
	case UNSENT:
	case LOST:
		break;
	}
	*err_r = "The connection ended before the answer.";
	return -1;
}

int ipc_client_call(
	struct ipc_client *c, struct pool *pool, const struct ipc_call *call, const char **err_r)
{
	int64_t deadline = call->deadline ? call->deadline : io_deadline(IPC_CALL_MS);
	struct waiting w = {0};

	c->refs++;
	for (int i = 0; i < TRIES_MAX; i++) {
		if (ipc_client_open(c, pool, deadline, err_r) < 0) {
			release(c);
			return -1;
		}
		if (c->freed)
			break;
		call_once(c, pool, call, deadline, &w);
		if (c->freed || (w.state != UNSENT && !(w.state == LOST && call->repeat)))
			break;
	}
	release(c);
	return result(&w, err_r);
}

int ipc_client_notify(struct ipc_client *c, const struct ipc_msg *msg, const void *body,
	const int *fds, size_t nfds)
{
	return ipc_is_open(c->ipc) ? ipc_send(c->ipc, msg, 0, body, fds, nfds) : -1;
}
