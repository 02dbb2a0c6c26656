/* The line to a worker: what it tells and asks. A worker may be hijacked: it gets what its service is configured to
 * get, with its own rights. */
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/log.h"
#include "master/master.h"
#include "service/control.h"
#include "service/shared.h"

#define CONNECT_MS   5000 /* while the other's backlog is full */
#define CONNECT_STEP 20

/* Outlives the child when the process ends first, and the connection when that ends first. */
struct line {
	struct child *child; /* NULL: ended */
	struct ipc_server_conn *conn;
	int fd;
};

static struct child *child_of(struct ipc_server_conn *conn)
{
	struct line *line = ipc_conn_arg(conn);

	return line->child;
}

static void on_ready(struct ipc_server_conn *conn, struct ipc_request *rq, void *body)
{
	struct child *c = child_of(conn);
	struct control_ready *ready = body;
	(void)rq;

	if (!c)
		return;
	c->service->kind = ready->single ? KIND_SINGLE : KIND_MANY;
	child_event(c, EV_READY);
}

static void on_progress(struct ipc_server_conn *conn, struct ipc_request *rq, void *body)
{
	struct child *c = child_of(conn);
	(void)rq;
	(void)body;

	if (c)
		child_progress(c);
}

static void on_full(struct ipc_server_conn *conn, struct ipc_request *rq, void *body)
{
	struct child *c = child_of(conn);
	(void)rq;
	(void)body;

	if (c && c->state == CH_READY)
		supply_grow(c->service);
}

static void on_taken(struct ipc_server_conn *conn, struct ipc_request *rq, void *body)
{
	struct child *c = child_of(conn);
	struct control_taken *taken = body;
	(void)rq;

	if (c)
		pick_taken(c, taken->id);
}

static int open_source(struct master *m, const char **err_r)
{
	return m->segments ||
			segment_source_open(m->plan->config->common.queue_dir, &m->segments, err_r) == 0
		? 0
		: -1;
}

/* Segments belong to the queue's owner, whoever writes them. */
static int new_segment(struct master *m, uint64_t *id_r, const char **err_r)
{
	const struct plan *plan = m->plan;

	if (open_source(m, err_r) < 0)
		return -1;
	return segment_source_new(m->segments, plan->queue_uid, plan->queue_gid, id_r, err_r);
}

/* For who fills segments. */
static bool may_have_files(struct ipc_server_conn *conn, struct ipc_request *rq, const struct child *c)
{
	if (c && c->service->planned && c->service->planned->conf.segments)
		return true;
	ipc_refuse(conn, rq, "This service gets no segments: segments is no.");
	return false;
}

static void on_segment(struct ipc_server_conn *conn, struct ipc_request *rq, void *body)
{
	struct child *c = child_of(conn);
	struct control_segment reply = {.id = CONTROL_SEGMENT_NONE};
	const char *err;
	int fd;
	(void)body;

	if (!may_have_files(conn, rq, c))
		return;
	fd = new_segment(c->service->master, &reply.id, &err);
	if (fd == SERVICE_NO_SPACE) {
		reply.id = CONTROL_SEGMENT_NONE;
		ipc_reply(conn, rq, &reply);
		return;
	}
	if (fd < 0) {
		ipc_refuse(conn, rq, err);
		return;
	}
	ipc_reply_fds(conn, rq, &reply, &fd, 1);
	close(fd);
}

static void on_temp(struct ipc_server_conn *conn, struct ipc_request *rq, void *body)
{
	struct child *c = child_of(conn);
	struct control_none none = {0};
	const char *err;
	(void)body;

	if (!may_have_files(conn, rq, c))
		return;
	struct master *m = c->service->master;
	int fd = open_source(m, &err) < 0 ? -1 : segment_source_temp(m->segments, &err);
	if (fd < 0) {
		ipc_refuse(conn, rq, err);
		return;
	}
	ipc_reply_fds(conn, rq, &none, &fd, 1);
	close(fd);
}

/* --- connecting for who can't reach the path --- */

static bool is_served(const struct master *m, const char *address)
{
	list_each(e, &m->listening)
	{
		if (strcmp(list_entry(e, struct listening, link)->address, address) == 0)
			return true;
	}
	return false;
}

static void take_rights(uid_t uid, gid_t gid)
{
	if (geteuid() == 0 && uid != 0 && (setegid(gid) < 0 || seteuid(uid) < 0))
		log_fatal("The rights of user %u can't be taken: %m.", (unsigned)uid);
}

static void give_rights_back(void)
{
	int cause = errno;

	if (getuid() == 0 && geteuid() != 0 && (seteuid(0) < 0 || setegid(0) < 0))
		log_fatal("The rights of root can't be taken back: %m.");
	errno = cause;
}

/* As the worker: the socket's mode is checked against its uid, and the other side sees that uid as its peer. Does not
 * wait, for the change of rights must not outlast this call. */
static int connect_as(uid_t uid, gid_t gid, const char *path)
{
	struct sockaddr_un to = {.sun_family = AF_UNIX};
	int fd, rc, cause;

	if (strlen(path) >= sizeof(to.sun_path)) {
		errno = ENAMETOOLONG;
		return -1;
	}
	memcpy(to.sun_path, path, strlen(path));
	fd = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	if (fd < 0)
		return -1;
	take_rights(uid, gid);
	rc = connect(fd, (struct sockaddr *)&to, sizeof(to));
	give_rights_back();
	if (rc == 0)
		return fd;
	cause = errno;
	close(fd);
	errno = cause;
	return -1;
}

static void answer_connect(struct ipc_server_conn *conn, struct ipc_request *rq,
	const struct planned *p, const char *path)
{
	uid_t uid = p->uid;
	gid_t gid = p->gid;
	int64_t deadline = io_deadline(CONNECT_MS);
	struct control_none none = {0};
	int fd;

	while ((fd = connect_as(uid, gid, path)) < 0 && errno == EAGAIN &&
		clock_mono_ms() < deadline)
		io_sleep(CONNECT_STEP);
	if (fd < 0) {
		ipc_refuse(conn, rq,
			pool_printf(rq->pool, "There is no connection to %s: %s.", path,
				strerror(errno)));
		return;
	}
	ipc_reply_fds(conn, rq, &none, &fd, 1);
	close(fd);
}

/* The address that a service listens on; NULL: refused. */
static const char *address_of(
	struct ipc_server_conn *conn, struct ipc_request *rq, const struct child *c, const char *name)
{
	const char *address, *err = "This service is no longer configured.";

	if (!c || !c->service->planned ||
		service_listen_address(rq->pool, &c->service->master->plan->config->common,
			span_of(pool_printf(rq->pool, "unix:%s", name)), &address, &err) < 0) {
		ipc_refuse(conn, rq, err);
		return NULL;
	}
	if (is_served(c->service->master, address))
		return address;
	ipc_refuse(conn, rq, pool_printf(rq->pool, "No service listens on unix:%s.", name));
	return NULL;
}

static void on_connect(struct ipc_server_conn *conn, struct ipc_request *rq, void *body)
{
	struct child *c = child_of(conn);
	struct control_connect *ask = body;
	const char *address = address_of(conn, rq, c, ask->name);

	if (address)
		answer_connect(conn, rq, c->service->planned, address + strlen("unix:"));
}

/* The same rights are needed as for connecting. */
static bool may_connect(const struct planned *p, const char *path)
{
	take_rights(p->uid, p->gid);
	int rc = faccessat(AT_FDCWD, path, W_OK, AT_EACCESS);
	give_rights_back();
	return rc == 0;
}

static void on_connect_by(struct ipc_server_conn *conn, struct ipc_request *rq, void *body)
{
	struct child *c = child_of(conn);
	struct control_connect_by *ask = body;
	const char *address = address_of(conn, rq, c, ask->name);
	struct control_none none = {0};
	int fd = -1;

	if (!address)
		return;
	const struct planned *from = c->service->planned;
	/* Before an upgrade no answer may depend on another worker's. */
	if (!c->service->master->upgrading && may_connect(from, address + strlen("unix:")))
		fd = pick_connect(c->service->master, address, ask->key, from->uid, from->gid);
	if (fd < 0) {
		ipc_refuse(conn, rq, "No worker can be chosen now.");
		return;
	}
	ipc_reply_fds(conn, rq, &none, &fd, 1);
	close(fd);
}

static const struct ipc_handler handlers[] = {
	/* message                reply                      function     inline */
	{&control_ready_msg,    NULL,                        on_ready,    true},
	{&control_progress_msg, NULL,                        on_progress, true},
	{&control_full_msg,     NULL,                        on_full,     true},
	{&control_taken_msg,    NULL,                        on_taken,    true},
	{&control_segment_msg,  &control_segment_reply_msg,  on_segment,  true},
	{&control_temp_msg,     &control_done_msg,           on_temp,     true},
	{&control_connect_msg,  &control_done_msg,           on_connect,  false},
	{&control_connect_by_msg, &control_done_msg,         on_connect_by, false},
};

/* --- its life --- */

static void on_gone(struct ipc_server_conn *conn)
{
	struct line *line = ipc_conn_arg(conn);

	if (!line->child)
		return;
	line->child->line = NULL;
	pick_forget(line->child);
}

static void line_fiber(void *arg)
{
	struct line *line = arg;

	ipc_server_run(line->conn);
	mem_free(&line);
}

struct ipc_server_conn *line_open(struct child *c, int fd)
{
	struct line *line = mem_new(struct line);

	line->child = c;
	line->fd = fd;
	line->conn = ipc_server_new(fd, handlers, COUNT_OF(handlers), line, on_gone);
	fiber_start("worker line", line_fiber, line);
	return line->conn;
}

void line_forget(struct child *c)
{
	struct line *line = c->line ? ipc_conn_arg(c->line) : NULL;

	if (!line)
		return;
	line->child = NULL;
	c->line = NULL;
	pick_forget(c);
	shutdown(line->fd, SHUT_RDWR);
}

bool line_is_idle(const struct child *c)
{
	return !c->line || ipc_conn_is_idle(c->line);
}

int line_fd_of(struct child *c)
{
	struct line *line = c->line ? ipc_conn_arg(c->line) : NULL;

	return line ? line->fd : -1;
}
