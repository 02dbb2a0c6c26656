/*
 * Upgrade in place: master becomes the new binary by exec, with the same pid. What the new one must know goes along
 * in a memory file, as one message; sockets, control lines and the scoreboard stay open under their
 * numbers. Then it loads the configuration as with a reload: new workers from new binaries, the old ones
 * retire. The new binary is tried first (master -t), so that a broken one never takes over; and it is
 * awaited that no question is under way, for the new one could not answer what the old one has read.
 */
#include <errno.h>
#include <fcntl.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/log.h"
#include "base/num.h"
#include "master/master.h"
#include "os/os.h"

#define UPGRADE_ENV    "THURN_UPGRADE"
#define UPGRADE_FORMAT "1" /* of struct left: a binary that reads another one is told before it is in charge */
#define TRY_MS         20000
#define QUIET_MS       3000 /* for what is under way on the lines to workers and operators */
#define QUIET_STEP_MS  1
#define STATE_MAX      (8 * 1024 * 1024)

struct left_socket {
	const char *address;
	uint32_t fd;
};

struct left_child {
	const char *service, *program;
	uint32_t kind, pid, state, slot, row, generation, line_fd;
	bool has_row, has_line;
	uint64_t started, ready;
};

struct left {
	uint32_t generation, sb_fd, pid_fd;
	uint64_t started;
	struct ipc_list sockets, children;
};

#define IPC_STRUCT left_socket
static const struct ipc_field left_socket_fields[] = {
	IPC_ROW(STR, address),
	IPC_ROW(U32, fd),
	IPC_ROWS_END,
};
#undef IPC_STRUCT
static const struct ipc_msg left_socket_msg = {
	.name = "socket", .size = sizeof(struct left_socket), .fields = left_socket_fields};

#define IPC_STRUCT left_child
static const struct ipc_field left_child_fields[] = {
	IPC_ROW(STR, service),
	IPC_ROW(STR, program),
	IPC_ROW(U32, kind),
	IPC_ROW(U32, pid),
	IPC_ROW(U32, state),
	IPC_ROW(U32, slot),
	IPC_ROW(U32, row),
	IPC_ROW(U32, generation),
	IPC_ROW(U32, line_fd),
	IPC_ROW(BOOL, has_row),
	IPC_ROW(BOOL, has_line),
	IPC_ROW(U64, started),
	IPC_ROW(U64, ready),
	IPC_ROWS_END,
};
#undef IPC_STRUCT
static const struct ipc_msg left_child_msg = {
	.name = "child", .size = sizeof(struct left_child), .fields = left_child_fields};

#define IPC_STRUCT left
static const struct ipc_field left_fields[] = {
	IPC_ROW(U32, generation),
	IPC_ROW(U32, sb_fd),
	IPC_ROW(U32, pid_fd),
	IPC_ROW(U64, started),
	IPC_ROW_LIST(sockets, &left_socket_msg),
	IPC_ROW_LIST(children, &left_child_msg),
	IPC_ROWS_END,
};
#undef IPC_STRUCT
static const struct ipc_msg left_msg = {
	.name = "upgrade", .size = sizeof(struct left), .fields = left_fields};

bool upgrade_reads(const char *format)
{
	return strcmp(format, UPGRADE_FORMAT) == 0;
}

/* --- leaving --- */

/* Kept open over exec, or not again. */
static void keep(int fd, bool on)
{
	if (fd >= 0)
		fcntl(fd, F_SETFD, on ? 0 : FD_CLOEXEC);
}

/* On a line with half a frame no other could be understood: its worker sees the end of it, and ends too. */
static int line_to_leave(struct child *c)
{
	if (line_is_idle(c))
		return line_fd_of(c);
	log_warning("Process %d of service %s does not listen and is left behind.", (int)c->pid,
		c->service->name);
	return -1;
}

static void leave_child(struct child *c, struct left_child *to)
{
	int fd = line_to_leave(c);

	*to = (struct left_child){
		.service = c->service->name,
		.program = c->service->program,
		.kind = c->service->kind,
		.pid = (uint32_t)c->pid,
		.state = c->state,
		.slot = c->slot,
		.row = c->row,
		.generation = c->generation,
		.has_row = c->has_row,
		.has_line = fd >= 0,
		.line_fd = fd >= 0 ? (uint32_t)fd : 0,
		.started = (uint64_t)c->started,
		.ready = (uint64_t)c->ready,
	};
}

static void leave_children(struct master *m, struct pool *pool, struct ipc_list *list)
{
	ARRAY(struct left_child) children = ARRAY_IN(pool);

	list_each(ls, &m->services)
	{
		struct supplied *s = list_entry(ls, struct supplied, link);
		list_each(lc, &s->children)
		{
			leave_child(list_entry(lc, struct child, link), array_add(&children));
		}
	}
	*list = (struct ipc_list){children.v, children.n};
}

static void leave_sockets(struct master *m, struct pool *pool, struct ipc_list *list)
{
	ARRAY(struct left_socket) sockets = ARRAY_IN(pool);

	list_each(e, &m->listening)
	{
		struct listening *l = list_entry(e, struct listening, link);
		*array_add(&sockets) = (struct left_socket){l->address, (uint32_t)l->fd};
	}
	*list = (struct ipc_list){sockets.v, sockets.n};
}

static void keep_all(struct master *m, const struct left *left, bool on)
{
	const struct left_socket *sockets = left->sockets.v;
	const struct left_child *children = left->children.v;

	keep(m->sb_fd, on);
	keep(m->pid_fd, on);
	for (size_t i = 0; i < left->sockets.n; i++)
		keep((int)sockets[i].fd, on);
	for (size_t i = 0; i < left->children.n; i++)
		if (children[i].has_line)
			keep((int)children[i].line_fd, on);
}

static int write_left(const struct left *left)
{
	struct str bytes = STR_INIT;
	int fd;

	ipc_put(&bytes, &left_msg, left);
	fd = os_sealed_memfd("upgrade", bytes.s, bytes.len);
	str_fini(&bytes);
	return fd;
}

static void take_over(struct master *m, const char *path, struct pool *pool)
{
	struct left left = {
		.generation = m->generation,
		.sb_fd = (uint32_t)m->sb_fd,
		.pid_fd = (uint32_t)m->pid_fd,
		.started = (uint64_t)m->started,
	};
	char *const argv[] = {"master", "-C", (char *)m->config_dir, NULL};
	int fd;

	leave_sockets(m, pool, &left.sockets);
	leave_children(m, pool, &left.children);
	fd = write_left(&left);
	if (fd < 0) {
		log_error("The upgrade fails: its state can't be kept: %m.");
		return;
	}
	keep(fd, true);
	keep_all(m, &left, true);
	setenv(UPGRADE_ENV, pool_printf(pool, "%d", fd), 1);
	log_info("upgrade binary=%s", path);
	execv(path, argv);
	log_error("The upgrade fails: %s can't be started: %m.", path);
	unsetenv(UPGRADE_ENV);
	keep_all(m, &left, false);
	close(fd);
}

/* master -t of the new binary: 0 when it finds all in order. Blocks; the workers go on. */
static int try_binary(struct master *m, const char *path)
{
	int64_t deadline = clock_mono_ms() + TRY_MS;
	int status = -1;
	pid_t pid = fork(), got;

	if (pid == 0) {
		execl(path, "master", "-C", m->config_dir, "-t", "-U", UPGRADE_FORMAT, (char *)NULL);
		_exit(72);
	}
	if (pid < 0)
		return -1;
	while ((got = waitpid(pid, &status, WNOHANG)) == 0 && clock_mono_ms() < deadline)
		usleep(10000);
	if (got == 0) {
		kill(pid, SIGKILL);
		waitpid(pid, &status, 0);
	}
	return WIFEXITED(status) && WEXITSTATUS(status) == 0 ? 0 : -1;
}

/* What master has read and not answered, or said and not sent, would be lost. */
static void wait_for_quiet(void)
{
	int64_t deadline = io_deadline(QUIET_MS);

	while (!ipc_server_is_idle() && clock_mono_ms() < deadline)
		io_sleep(QUIET_STEP_MS);
}

static void upgrade(struct master *m, struct pool *pool)
{
	const char *path =
		pool_printf(pool, "%s/master", m->plan->config->common.program_dir);

	if (try_binary(m, path) < 0) {
		log_error("The upgrade fails: %s -t finds fault with it or the configuration.", path);
		return;
	}
	wait_for_quiet();
	if (m->stopping)
		log_warning("No upgrade while the server stops.");
	else
		take_over(m, path, pool);
}

static void upgrade_fiber(void *arg)
{
	struct master *m = arg;
	struct pool *pool = pool_new("upgrade");

	upgrade(m, pool);
	pool_free(&pool);
	m->upgrading = false;
}

void master_upgrade(struct master *m)
{
	if (m->upgrading || m->stopping) {
		log_warning("No upgrade while the server %s.", m->stopping ? "stops" : "is upgraded");
		return;
	}
	m->upgrading = true;
	fiber_start("upgrade", upgrade_fiber, m);
}

/* --- arriving --- */

static void adopt_child(struct master *m, const struct left_child *from)
{
	struct supplied *s = supply_find(m, from->service);
	struct child *c;

	if (!s) {
		s = supply_new(m, from->service);
		s->program = mem_strdup(from->program);
	}
	s->kind = (enum kind)from->kind;
	c = child_new(s, (pid_t)from->pid, from->has_line ? (int)from->line_fd : -1);
	c->state = from->state < CH_NSTATE ? (enum child_state)from->state : CH_READY;
	c->slot = from->slot;
	c->generation = from->generation;
	c->started = (int64_t)from->started;
	c->ready = (int64_t)from->ready;
	c->row = from->row;
	c->has_row = from->has_row && m->sb && from->row < SCOREBOARD_ROWS;
	if (c->has_row)
		m->rows_used[c->row] = true;
}

static void adopt(struct master *m, const struct left *left)
{
	const struct left_socket *sockets = left->sockets.v;
	const struct left_child *children = left->children.v;
	const char *err;

	m->generation = left->generation;
	m->started = (int64_t)left->started;
	m->pid_fd = (int)left->pid_fd;
	m->sb_fd = (int)left->sb_fd;
	if (scoreboard_map(m->sb_fd, &m->sb, &err) < 0) {
		/* Another layout: the old workers count where nobody reads. */
		close(m->sb_fd);
		m->sb_fd = -1;
	}
	for (size_t i = 0; i < left->sockets.n; i++)
		sockets_adopt(m, sockets[i].address, (int)sockets[i].fd);
	for (size_t i = 0; i < left->children.n; i++)
		adopt_child(m, &children[i]);
	keep_all(m, left, false);
}

bool upgrade_is_under_way(void)
{
	return getenv(UPGRADE_ENV) != NULL;
}

bool upgrade_adopt(struct master *m)
{
	const char *text = getenv(UPGRADE_ENV), *err;
	struct pool *pool = pool_new("upgrade");
	struct left left;
	struct stat st;
	uint32_t fd;
	void *bytes;

	if (!text || !num_parse_u32(span_of(text), INT32_MAX, &fd)) {
		pool_free(&pool);
		return false;
	}
	unsetenv(UPGRADE_ENV);
	if (fstat((int)fd, &st) < 0 || st.st_size > STATE_MAX)
		log_fatal("The state of the old master can't be read: %m.");
	bytes = pool_alloc(pool, (size_t)st.st_size + 1);
	if (os_pread_all((int)fd, bytes, (size_t)st.st_size, 0) < 0)
		log_fatal("The state of the old master can't be read: %m.");
	if (ipc_parse(pool, &left_msg, span_make(bytes, (size_t)st.st_size), &left, &err) < 0)
		log_fatal("The state of the old master can't be read: %s", err);
	close((int)fd);
	adopt(m, &left);
	pool_free(&pool);
	return true;
}
