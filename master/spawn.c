/* Starting a process: its descriptors at their places, a clean environment, exec. */
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/log.h"
#include "master/master.h"
#include "service/control.h"

/* What passes from master's own start to its processes; NOTIFY_SOCKET and the watchdog are for master alone. */
static const char *const kept[] = {"TZ", "NOTIFY_SOCKET", "WATCHDOG_USEC", "THURN_UPGRADE",
	"ASAN_OPTIONS", "UBSAN_OPTIONS", "LSAN_OPTIONS"};

void spawn_clean_environment(void)
{
	char *values[COUNT_OF(kept)];

	for (size_t i = 0; i < COUNT_OF(kept); i++) {
		const char *v = getenv(kept[i]);
		values[i] = v ? mem_strdup(v) : NULL;
	}
	clearenv();
	setenv("PATH", "/usr/sbin:/usr/bin:/sbin:/bin", 1);
	for (size_t i = 0; i < COUNT_OF(kept); i++) {
		if (values[i])
			setenv(kept[i], values[i], 1);
		mem_free(&values[i]);
	}
}

static int free_row(struct master *m)
{
	for (int i = 0; i < SCOREBOARD_ROWS; i++)
		if (!m->rows_used[i])
			return i;
	return -1;
}

/* The lowest that no living process of the service has. */
static unsigned free_slot(const struct supplied *s)
{
	for (unsigned slot = 0;; slot++) {
		bool used = false;
		list_each(l, &s->children)
		{
			used |= list_entry(l, struct child, link)->slot == slot;
		}
		if (!used)
			return slot;
	}
}

struct start {
	struct supplied *service;
	int control_fd;
	unsigned slot, row;
};

/* Above all final places first, so that none is overwritten before it is moved. */
static void place_descriptors(const struct start *st)
{
	const struct planned *p = st->service->planned;
	int n = SERVICE_FD_LISTEN + (int)p->n_sockets;
	int *moved = mem_alloc((size_t)(n - SERVICE_FD_CONTROL) * sizeof(int));

	moved[0] = fcntl(st->control_fd, F_DUPFD_CLOEXEC, n);
	moved[1] = fcntl(st->service->master->sb_fd, F_DUPFD_CLOEXEC, n);
	for (size_t i = 0; i < p->n_sockets; i++)
		moved[2 + i] = fcntl(p->sockets[i]->fd, F_DUPFD_CLOEXEC, n);
	for (int i = 0; i < n - SERVICE_FD_CONTROL; i++)
		if (moved[i] < 0 || dup2(moved[i], SERVICE_FD_CONTROL + i) < 0)
			_exit(71);
}

static _Noreturn void become_program(const struct start *st)
{
	const struct supplied *s = st->service;
	const struct master *m = s->master;
	char path[4096], env[64];
	sigset_t none;

	place_descriptors(st);
	snprintf(env, sizeof(env), "%u %u %u %zu", st->slot, st->row, s->generation,
		s->planned->n_sockets);
	setenv(SERVICE_ENV, env, 1);
	unsetenv("NOTIFY_SOCKET");
	unsetenv("WATCHDOG_USEC");
	sigemptyset(&none);
	sigprocmask(SIG_SETMASK, &none, NULL);
	snprintf(path, sizeof(path), "%s/%s", m->plan->config->common.program_dir, s->program);
	char *const argv[] = {s->program, "-C", (char *)m->config_dir, "-S", s->name, NULL};
	execv(path, argv);
	log_error("The program %s can't be started: %m.", path);
	_exit(72);
}

struct child *spawn(struct supplied *s)
{
	struct start st = {.service = s, .slot = free_slot(s)};
	int row = free_row(s->master), pair[2];
	struct child *c;
	pid_t pid;

	if (row < 0) {
		log_error("There are %d processes; no more can be started.", SCOREBOARD_ROWS);
		return NULL;
	}
	if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair) < 0) {
		log_error("A process can't be started: %m.");
		return NULL;
	}
	st.row = (unsigned)row;
	st.control_fd = pair[1];
	pid = fork();
	if (pid == 0)
		become_program(&st);
	close(pair[1]);
	if (pid < 0) {
		log_error("A process can't be started: %m.");
		close(pair[0]);
		return NULL;
	}
	c = child_new(s, pid, pair[0]);
	c->slot = st.slot;
	c->row = st.row;
	c->has_row = true;
	s->master->rows_used[row] = true;
	return c;
}
