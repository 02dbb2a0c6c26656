/* The line to master: what it tells us, and what we ask of it. */
#include <errno.h>
#include <stdlib.h>
#include <unistd.h>

#include "base/log.h"
#include "service/control.h"
#include "service/engine.h"
#include "service/shared.h"

#define ORPHAN_MS 3000 /* to finish when master is gone: a new one wants our sockets and files */
#define ASK_MS    10000
#define CHOOSE_MS 2000 /* for master to find a worker; whoever is free is found without it */

static void tell(struct engine *e, const struct ipc_msg *msg, const void *body)
{
	struct control_none none = {0};

	if (e->master)
		ipc_client_notify(e->master, msg, body ? body : &none, NULL, 0);
}

static void on_take(struct engine *e, struct ipc_frame *frame)
{
	struct pool *pool = pool_new("take");
	struct control_take take;
	const char *err;

	if (ipc_parse(pool, &control_take_msg, frame->payload, &take, &err) == 0 &&
		frame->nfds == 1 &&
		accept_take(e, frame->fds[0], (uid_t)take.uid, (gid_t)take.gid)) {
		struct control_taken taken = {.id = take.id};
		frame->fds[0] = -1;
		tell(e, &control_taken_msg, &taken);
	}
	ipc_frame_close(frame);
	pool_free(&pool);
}

static void on_stop(struct engine *e, struct ipc_frame *frame)
{
	struct pool *pool = pool_new("stop");
	struct control_stop stop;
	const char *err;

	if (ipc_parse(pool, &control_stop_msg, frame->payload, &stop, &err) == 0)
		engine_stop(e, stop.ms);
	pool_free(&pool);
}

/* The log has been rotated; the path may be out of our reach. */
static void on_log(struct ipc_frame *frame)
{
	if (frame->nfds != 1 || log_move(frame->fds[0]) < 0)
		log_warning("The log stays in the old file.");
	ipc_frame_close(frame);
}

static void on_notice(void *arg, struct ipc_frame *frame)
{
	struct engine *e = arg;

	if (frame->type == control_retire_msg.type)
		engine_stop(e, -1);
	else if (frame->type == control_stop_msg.type)
		on_stop(e, frame);
	else if (frame->type == control_log_msg.type)
		on_log(frame);
	else if (frame->type == control_take_msg.type)
		on_take(e, frame);
	else if (frame->type == control_reload_msg.type)
		fiber_start("reload", engine_reload, e);
}

static void on_end(void *arg)
{
	struct engine *e = arg;

	if (!e->ctx.stopping)
		log_warning("Master is gone; this process ends.");
	engine_stop(e, ORPHAN_MS);
}

void line_open(struct engine *e)
{
	e->master = ipc_client_new_fd(SERVICE_FD_CONTROL);
	ipc_client_on_notice(e->master, on_notice, e);
	ipc_client_on_end(e->master, on_end, e);
}

void line_ready(struct engine *e)
{
	struct control_ready ready = {.single = e->ctx.service->flags & SERVICE_SINGLE};

	tell(e, &control_ready_msg, &ready);
}

void line_full(struct engine *e)
{
	tell(e, &control_full_msg, NULL);
}

/* Outside fibers nothing is sent until the loop turns. */
void service_progress(struct service_ctx *svc)
{
	struct engine *e = engine_of(svc);

	tell(e, &control_progress_msg, NULL);
	if (!fiber_self())
		loop_turn(0);
}

/* --- asking --- */

/* Sentences are kept until the next one: callers come for ever. */
static const char *keep_refusal(struct engine *e, const char *sentence)
{
	char *old = e->refusal;

	e->refusal = mem_strdup(sentence); /* it may be the old one */
	mem_free(&old);
	return e->refusal;
}

static int64_t sooner(int64_t deadline, int64_t ms)
{
	int64_t then = io_deadline(ms);

	return deadline < then ? deadline : then;
}

static int ask(struct engine *e, const struct ipc_msg *msg, const void *body,
	const struct ipc_msg *reply_type, void *reply, int64_t deadline, const char **err_r)
{
	struct pool *pool = pool_new("ask master");
	int fds[IPC_FDS_MAX];
	size_t nfds = 0;
	struct ipc_call call = {
		.request = msg,
		.body = body,
		.reply_type = reply_type,
		.reply = reply,
		.fds_r = fds,
		.nfds_r = &nfds,
		.deadline = deadline,
	};
	const char *err = "Master sent no descriptor.";
	int rc = ipc_client_call(e->master, pool, &call, &err);

	if (rc != 0 || nfds != 1) {
		*err_r = keep_refusal(e, err);
		while (nfds)
			close(fds[--nfds]);
	}
	pool_free(&pool);
	return nfds ? fds[0] : -1;
}

/* Alone: what master has otherwise. */
static int open_source(struct engine *e, const char **err_r)
{
	return e->segments ||
			segment_source_open(e->ctx.common->queue_dir, &e->segments, err_r) == 0
		? 0
		: -1;
}

int service_new_temp(struct service_ctx *svc, const char **err_r)
{
	struct engine *e = engine_of(svc);
	struct control_none none = {0};

	if (e->alone)
		return open_source(e, err_r) < 0 ? -1 : segment_source_temp(e->segments, err_r);
	return ask(e, &control_temp_msg, &none, &control_done_msg, &none, io_deadline(ASK_MS), err_r);
}

int service_new_segment(struct service_ctx *svc, uint64_t *id_r, const char **err_r)
{
	struct engine *e = engine_of(svc);
	struct control_none none = {0};
	struct control_segment reply = {.id = UINT64_MAX};
	int fd;

	if (e->alone)
		return open_source(e, err_r) < 0
			? -1
			: segment_source_new(e->segments, geteuid(), getegid(), id_r, err_r);
	fd = ask(e, &control_segment_msg, &none, &control_segment_reply_msg, &reply,
		io_deadline(ASK_MS), err_r);
	if (fd < 0 && reply.id == CONTROL_SEGMENT_NONE) {
		*err_r = "The disk of the queue is full.";
		return SERVICE_NO_SPACE;
	}
	*id_r = reply.id;
	return fd;
}

const char *service_run_path(struct service_ctx *svc, const char *name)
{
	return pool_printf(svc->pool, "%s/%s", svc->common->run_dir, name);
}

static int connect_by_master(
	struct engine *e, const char *name, int64_t deadline, const char **err_r)
{
	struct control_connect connect = {.name = name};
	struct control_none none;

	return ask(e, &control_connect_msg, &connect, &control_done_msg, &none,
		sooner(deadline, ASK_MS), err_r);
}

/* -1 with errno. */
static int connect_path(struct engine *e, const char *name, int64_t deadline)
{
	struct str path = STR_INIT;
	int fd;

	str_printf(&path, "%s/%s", e->ctx.common->run_dir, name);
	fd = io_connect_unix(str_c(&path), sooner(deadline, ASK_MS));
	str_fini(&path);
	if (fd == IO_TIMEOUT)
		errno = ETIMEDOUT;
	return fd < 0 ? -1 : fd;
}

int service_connect(
	struct service_ctx *svc, const char *unix_name, int64_t deadline, const char **err_r)
{
	struct engine *e = engine_of(svc);
	struct str why = STR_INIT;
	int fd;

	if (e->chrooted && e->master)
		return connect_by_master(e, unix_name, deadline, err_r);
	fd = connect_path(e, unix_name, deadline);
	if (fd < 0) {
		str_printf(&why, "There is no connection to unix:%s: %s.", unix_name,
			strerror(errno));
		*err_r = keep_refusal(e, str_c(&why));
		str_fini(&why);
	}
	return fd;
}

int service_connect_by(struct service_ctx *svc, const char *unix_name, uint32_t key,
	int64_t deadline, const char **err_r)
{
	struct engine *e = engine_of(svc);
	struct control_connect_by connect = {.name = unix_name, .key = key};
	struct control_none none;
	int fd = -1;

	if (e->master)
		fd = ask(e, &control_connect_by_msg, &connect, &control_done_msg, &none,
			sooner(deadline, CHOOSE_MS), err_r);
	return fd >= 0 ? fd : service_connect(svc, unix_name, deadline, err_r);
}

struct connector {
	struct service_ctx *svc;
	const char *name;
};

/* ipc_client makes its own sentence from errno. */
static int connect_for_client(void *arg)
{
	struct connector *c = arg;
	struct engine *e = engine_of(c->svc);
	const char *err;
	int fd;

	if (!e->chrooted || !e->master)
		return connect_path(e, c->name, IO_FOREVER);
	fd = connect_by_master(e, c->name, IO_FOREVER, &err);
	if (fd < 0)
		errno = ECONNREFUSED;
	return fd;
}

struct ipc_client *service_ipc_client(struct service_ctx *svc, const char *unix_name)
{
	struct connector *c = pool_new_of(svc->pool, struct connector);
	struct ipc_client *client;

	*c = (struct connector){svc, pool_strdup(svc->pool, unix_name)};
	client = ipc_client_new_connector(connect_for_client, c);
	ipc_client_set_name(client, unix_name);
	return client;
}
