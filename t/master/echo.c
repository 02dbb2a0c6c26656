/*
 * A daemon for the tests of the engine and of master: each line is a command, its answer another line. It
 * runs under the names of real programs (links in program_dir); under the name qmgr it is SERVICE_SINGLE.
 * Files beside the configuration make it misbehave at its start: NAME.crash, NAME.hang, NAME.slow.
 */
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/ptrace.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/log.h"
#include "ipc/ipc.h"
#include "os/os.h"
#include "service/service.h"

static int do_nothing(void *arg)
{
	(void)arg;
	return 7;
}

static void answer_segment(struct conn *c)
{
	uint64_t id;
	const char *err;
	int fd = service_new_segment(c->svc, &id, &err);

	if (fd < 0) {
		stream_printf(c->stream, "error %s\n", err);
		return;
	}
	stream_printf(c->stream, "segment %llu %zd\n", (unsigned long long)id, write(fd, "x", 1));
	close(fd);
}

static void answer_connect(struct conn *c, const char *name)
{
	const char *err;
	int fd = service_connect(c->svc, name, IO_FOREVER, &err);

	stream_printf(c->stream, fd < 0 ? "error %s\n" : "connected\n", err);
	if (fd >= 0)
		close(fd);
}

/* "by NAME KEY": who serves a connection that has the key. */
static void answer_by(struct conn *c, char *name)
{
	char *key = strchr(name, ' ');
	struct span line;
	const char *err;

	*key++ = '\0';
	int fd = service_connect_by(c->svc, name, (uint32_t)strtoul(key, NULL, 10),
		IO_FOREVER, &err);
	if (fd < 0) {
		stream_printf(c->stream, "error %s\n", err);
		return;
	}
	struct stream *s = stream_new(fd);
	stream_puts(s, "who\n");
	if (stream_flush(s) == 0 && stream_read_line(s, 1000, &line, NULL) == 1)
		stream_printf(c->stream, "%s\n", pool_span(c->pool, line));
	else
		stream_puts(c->stream, "error nobody\n");
	stream_close(&s);
}

static void answer_socket(struct conn *c)
{
	int fd = socket(AF_INET, SOCK_STREAM, 0), netlink = socket(AF_NETLINK, SOCK_RAW, 0);

	stream_printf(c->stream, "inet %d netlink %s\n", fd >= 0,
		netlink >= 0 ? "open" : strerror(errno));
	close(fd);
}

static void answer(struct conn *c, char *line)
{
	if (strcmp(line, "who") == 0)
		stream_printf(c->stream, "pid %d worker %u uid %d session %s peer %s %d\n",
			(int)getpid(), c->svc->worker, (int)getuid(), c->session, c->peer_ip,
			c->is_unix ? (int)c->peer_uid : c->peer_port);
	else if (strcmp(line, "user") == 0)
		stream_printf(c->stream, "user %s\n", service_uid_user(c->svc, c->peer_uid)
				? service_uid_user(c->svc, c->peer_uid)
				: "nobody of ours");
	else if (strcmp(line, "hostname") == 0)
		stream_printf(c->stream, "hostname %s\n", c->svc->common->hostname);
	else if (strcmp(line, "segment") == 0)
		answer_segment(c);
	else if (strncmp(line, "connect ", 8) == 0)
		answer_connect(c, line + 8);
	else if (strncmp(line, "by ", 3) == 0 && strchr(line + 3, ' '))
		answer_by(c, line + 3);
	else if (strcmp(line, "thread") == 0)
		stream_printf(c->stream, "thread %d\n", io_call(do_nothing, NULL));
	else if (strcmp(line, "socket") == 0)
		answer_socket(c);
	else if (strcmp(line, "exec") == 0)
		execl("/bin/true", "true", (char *)NULL);
	else if (strcmp(line, "ptrace") == 0)
		ptrace(PTRACE_TRACEME, 0, NULL, NULL);
	else if (strcmp(line, "kill") == 0)
		stream_printf(c->stream, "kill %s\n",
			kill(1, 0) < 0 ? strerror(errno) : "allowed");
	else if (strncmp(line, "log ", 4) == 0)
		log_info("%s", line + 4);
	else if (strcmp(line, "crash") == 0)
		_exit(9);
	else
		stream_printf(c->stream, "echo %s\n", line);
}

static void serve(struct conn *c)
{
	struct span line;

	service_count(c->svc, 0, 1);
	while (stream_read_line(c->stream, 1000, &line, NULL) == 1) {
		answer(c, pool_span(c->pool, line));
		if (stream_flush(c->stream) < 0)
			break;
	}
}

static bool has_file(struct service_ctx *svc, const char *what)
{
	struct stat st;
	const char *path = pool_printf(svc->pool, "%s/%s.%s", svc->config->dir, svc->instance, what);

	return stat(path, &st) == 0;
}

static int start_root(struct service_ctx *svc, const char **err_r)
{
	if (has_file(svc, "crash")) {
		*err_r = "It was told to fail.";
		return -1;
	}
	if (has_file(svc, "hang"))
		io_sleep(3600 * 1000);
	for (int i = 0; i < 20 && has_file(svc, "slow"); i++) {
		io_sleep(100);
		service_progress(svc);
	}
	return 0;
}

static void reload(struct service_ctx *svc)
{
	log_info("reload hostname=%s", svc->common->hostname);
}

static const struct service many = {
	.name = "echo",
	.start_root = start_root,
	.serve = serve,
	.over_limit_reply = "too many of you\r\n",
	.too_busy_reply = "too busy\r\n",
};

static const struct service single = {
	.name = "echo",
	.flags = SERVICE_SINGLE | SERVICE_NO_NET,
	.start_root = start_root,
	.serve = serve,
	.reload = reload,
};

int main(int argc, char **argv)
{
	const char *slash = strrchr(argv[0], '/');

	return service_run(strcmp(slash ? slash + 1 : argv[0], "qmgr") == 0 ? &single : &many, argc,
		argv);
}
