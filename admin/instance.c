#include "admin/instance.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#include "admin/ask.h"
#include "admin/process.h"
#include "base/clock.h"
#include "io/fiber.h"
#include "io/io.h"
#include "io/loop.h"
#include "service/control.h"

#define NOTICE_MAX     1024
#define LAST_WORDS_MAX 4096
#define LEAVE_STEP_MS  5
#define UPGRADE_STEP_MS 50

bool instance_is_running(struct config *config)
{
	int64_t end = clock_mono_ms() + INSTANCE_LEAVE_MS;
	while (process_is_locked(config)) {
		if (process_is_at_work(config, process_master_pid(config)) || clock_mono_ms() > end)
			return true;
		io_sleep(LEAVE_STEP_MS);
	}
	return false;
}

/* A socket for master's sd_notify messages, with a name that the kernel makes up: *name_r as in
 * NOTIFY_SOCKET. */
static int notify_socket(struct op_call *call, const char **name_r)
{
	struct sockaddr_un addr = {.sun_family = AF_UNIX};
	socklen_t len = sizeof(addr);
	int fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (fd < 0 || bind(fd, (struct sockaddr *)&addr, sizeof(sa_family_t)) < 0 ||
		getsockname(fd, (struct sockaddr *)&addr, &len) < 0) {
		if (fd >= 0)
			close(fd);
		return op_fail(call, "No socket for master's notice: %s.", strerror(errno));
	}
	*name_r = pool_printf(call->pool, "@%.*s",
		(int)(len - offsetof(struct sockaddr_un, sun_path) - 1), addr.sun_path + 1);
	return fd;
}

static int open_output(struct op_call *call, const char *log_path)
{
	const char *path = log_path ? log_path : "/dev/null";
	int fd = open(path, O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC, 0640);
	if (fd < 0)
		op_fail(call, "%s can't be opened: %s.", path, strerror(errno));
	return fd;
}

static _Noreturn void become_master(
	struct config *config, const char *program, int output, const char *notify)
{
	int in = open("/dev/null", O_RDONLY);
	setsid();
	dup2(in, STDIN_FILENO);
	dup2(output, STDOUT_FILENO);
	dup2(output, STDERR_FILENO);
	if (in > STDERR_FILENO)
		close(in);
	setenv("NOTIFY_SOCKET", notify, 1);
	execl(program, "master", "-C", config->dir, (char *)NULL);
	dprintf(STDERR_FILENO, "%s can't be started: %s.\n", program, strerror(errno));
	_exit(127);
}

/* The last line that was written to the log since offset: why master gave up. */
static const char *last_words(struct op_call *call, const char *log_path, off_t since)
{
	char text[LAST_WORDS_MAX];
	int fd = log_path ? open(log_path, O_RDONLY | O_CLOEXEC) : -1;
	off_t end = fd < 0 ? 0 : lseek(fd, 0, SEEK_END);
	off_t from = end - since > LAST_WORDS_MAX ? end - LAST_WORDS_MAX : since;
	ssize_t n = fd < 0 ? 0 : pread(fd, text, sizeof(text), from);
	struct span rest = span_trim(span_make(text, n > 0 ? (size_t)n : 0)), line,
		    last = SPAN_LIT("");
	if (fd >= 0)
		close(fd);
	while (span_split(&rest, '\n', &line))
		last = line;
	/* What the log puts in front of a sentence is of no interest here. */
	const char *text_at = pool_span(call->pool, last), *fatal = strstr(text_at, " fatal ");
	return fatal ? fatal + strlen(" fatal ") : last.n ? text_at : "it did not say why";
}

/* READY=1 on the socket, or the end of the child. 0, or -1 with call->err. */
static int await_ready(
	struct op_call *call, int notify, pid_t pid, const char *log_path, off_t since)
{
	int64_t end = io_deadline(INSTANCE_START_MS);
	char notice[NOTICE_MAX];
	while (clock_mono_ms() < end) {
		int64_t turn = clock_mono_ms() + 20;
		if (io_wait(notify, LOOP_READ, turn < end ? turn : end) > 0) {
			ssize_t n = recv(notify, notice, sizeof(notice), MSG_DONTWAIT);
			struct span rest = span_make(notice, n > 0 ? (size_t)n : 0), line;
			while (rest.n && span_split(&rest, '\n', &line))
				if (span_is(line, "READY=1"))
					return 0;
		}
		if (waitpid(pid, NULL, WNOHANG) == pid)
			return op_fail(call, "The server did not start: %s",
				last_words(call, log_path, since));
	}
	kill(pid, SIGTERM);
	return op_fail(call, "The server did not get ready in time.");
}

/* The first service that does not answer, and why. */
static int name_the_missing(struct op_call *call, const struct control_status *status)
{
	const struct control_status_service *v = status->services.v;
	for (size_t i = 0; i < status->services.n; i++)
		if (!v[i].ready)
			return op_fail(call, "The service %s does not get ready%s%s", v[i].name,
				v[i].trouble[0] ? ": " : ".", v[i].trouble);
	return op_fail(call, "The server does not get ready.");
}

/* Master also says READY=1 when it gave up waiting for a service; the others serve then. */
static int await_services(struct op_call *call, struct config *config, int64_t ms)
{
	int64_t end = io_deadline(ms);
	struct control_none none = {0};
	struct control_status status;
	struct config *own = call->config;
	int rc;
	call->config = config;
	do {
		rc = ask(call, INSTANCE_SOCKET, &control_status_msg, &none,
			&control_status_reply_msg, &status);
		if (rc == 0 && !status.ready)
			io_sleep(100);
	} while (rc == 0 && !status.ready && clock_mono_ms() < end);
	call->config = own;
	return rc < 0 || status.ready ? rc : name_the_missing(call, &status);
}

int instance_start(struct op_call *call, struct config *config, const char *log_path)
{
	const char *program = pool_printf(call->pool, "%s/master", config->common.program_dir);
	const char *notify_name = "";
	int notify = notify_socket(call, &notify_name), output = -1, rc = -1;
	if (notify >= 0)
		output = open_output(call, log_path);
	if (output >= 0) {
		off_t since = lseek(output, 0, SEEK_END);
		pid_t pid = fork();
		if (pid == 0)
			become_master(config, program, output, notify_name);
		rc = pid < 0 ? op_fail(call, "No process for master: %s.", strerror(errno))
			     : await_ready(call, notify, pid, log_path, since);
		close(output);
	}
	if (notify >= 0)
		io_close(&notify);
	return rc < 0 ? rc : await_services(call, config, INSTANCE_LATE_MS);
}

/* The new binary is asked first, for a reason: master only logs it. */
static int try_binary(struct op_call *call, struct config *config, const char *program)
{
	int status = 0;
	pid_t pid = fork();
	if (pid == 0) {
		execl(program, "master", "-C", config->dir, "-t", (char *)NULL);
		dprintf(STDERR_FILENO, "%s can't be started: %s.\n", program, strerror(errno));
		_exit(127);
	}
	if (pid < 0 || waitpid(pid, &status, 0) != pid || status != 0)
		return op_fail(call, "%s -t finds fault with the configuration.", program);
	return 0;
}

/* Its socket is away for a moment, between the two. */
static int await_generation(struct op_call *call, struct config *config, uint32_t before)
{
	int64_t end = clock_mono_ms() + INSTANCE_START_MS;
	struct control_none none = {0};
	struct control_status status = {0};
	while (process_is_locked(config) && clock_mono_ms() < end) {
		if (ask(call, INSTANCE_SOCKET, &control_status_msg, &none,
			    &control_status_reply_msg, &status) == 0 &&
			status.generation > before)
			return 0;
		io_sleep(UPGRADE_STEP_MS);
	}
	return op_fail(call, process_is_locked(config)
			? "The server stays what it was; the log tells why."
			: "The server ended in the middle of the upgrade; the log tells why.");
}

int instance_signal(struct op_call *call, struct config *config, int signo)
{
	pid_t master = process_master_pid(config);
	if (process_is_at_work(config, master) && kill(master, signo) == 0)
		return 0;
	return op_fail(call, "The server (process %d) can't be told.", (int)master);
}

int instance_upgrade(struct op_call *call, struct config *config)
{
	const char *program = pool_printf(call->pool, "%s/master", config->common.program_dir);
	struct control_none none = {0};
	struct control_status status;
	if (ask(call, INSTANCE_SOCKET, &control_status_msg, &none, &control_status_reply_msg,
		    &status) < 0 ||
		try_binary(call, config, program) < 0)
		return -1;
	if (instance_signal(call, config, SIGUSR2) < 0)
		return -1;
	if (await_generation(call, config, status.generation) < 0)
		return -1;
	return await_services(call, config, INSTANCE_START_MS);
}

int instance_stop(struct op_call *call, struct config *config, bool kill_now)
{
	pid_t master = process_master_pid(config);
	if (kill_now) {
		/* Master first, so that it starts no others meanwhile. */
		if (process_is_at_work(config, master))
			kill(master, SIGKILL);
	} else if (process_is_at_work(config, master)) {
		kill(master, SIGTERM);
	} else {
		process_signal_all(config, master, SIGTERM); /* orphans of a master that died */
	}
	if (process_wait_gone(config, master, kill_now ? SIGKILL : 0, INSTANCE_STOP_MS) < 0)
		return op_fail(
			call, "The server (process %d) has not stopped in time.", (int)master);
	return 0;
}
