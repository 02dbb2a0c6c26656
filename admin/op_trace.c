/*
 * thurn trace: what happened to a message, from the log and the queue. The log lines of all
 * programs carry trace=ID, so that the story is the lines in the order of the log files, oldest
 * file first. With log = syslog the lines are in the files of a syslog daemon, or in the journal.
 */
#include <errno.h>
#include <fcntl.h>
#include <spawn.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>

#include "admin/queue_ask.h"
#include "mail/trace.h"

#define TRACE_LINES_MAX  10000
#define JOURNAL_BEFORE_S 60 /* clocks may be set */

/* ID as a whole word: ids are letters and digits, and one may begin like another. */
static bool has_word(const char *line, const char *id)
{
	size_t n = strlen(id);
	for (const char *at = line; (at = strstr(at, id)); at++)
		if ((at == line || !ascii_is_alnum((unsigned char)at[-1])) &&
			!ascii_is_alnum((unsigned char)at[n]))
			return true;
	return false;
}

static void read_lines(struct op_call *call, struct js *lines, FILE *f)
{
	char *line = NULL;
	size_t size = 0;
	for (ssize_t n; (n = getline(&line, &size, f)) > 0;) {
		if (!has_word(line, op_str(call, "id")))
			continue;
		if (line[n - 1] == '\n')
			line[n - 1] = '\0';
		if (js_count(lines) < TRACE_LINES_MAX)
			js_add(lines, line);
	}
	free(line);
}

/* 1 read, 0 not there or not readable. */
static int read_log(struct op_call *call, struct js *lines, const char *path)
{
	FILE *f = fopen(path, "re");
	if (!f)
		return 0;
	read_lines(call, lines, f);
	fclose(f);
	return 1;
}

/* journalctl for what mail programs said since shortly before the id was made; its output at *fd_r. */
static int start_journal(struct op_call *call, int *fd_r, pid_t *pid_r)
{
	struct trace_id id;
	int64_t since = trace_id_parse(span_of(op_str(call, "id")), &id)
		? trace_id_time_us(&id) / 1000000 - JOURNAL_BEFORE_S
		: 0;
	char *argv[] = {(char[]){"journalctl"}, (char[]){"--quiet"}, (char[]){"--no-pager"},
		(char[]){"--output=short-iso"}, (char[]){"SYSLOG_FACILITY=2"},
		pool_printf(call->pool, "--since=@%lld", (long long)(since < 0 ? 0 : since)), NULL};
	posix_spawn_file_actions_t actions;
	int ends[2];
	if (pipe2(ends, O_CLOEXEC) < 0)
		return -1;
	posix_spawn_file_actions_init(&actions);
	posix_spawn_file_actions_adddup2(&actions, ends[1], STDOUT_FILENO);
	posix_spawn_file_actions_addopen(&actions, STDERR_FILENO, "/dev/null", O_WRONLY, 0);
	int rc = posix_spawnp(pid_r, argv[0], &actions, NULL, argv, environ);
	posix_spawn_file_actions_destroy(&actions);
	close(ends[1]);
	*fd_r = ends[0];
	if (rc != 0)
		close(ends[0]);
	return rc == 0 ? 0 : -1;
}

/* 1 read, 0 there is no journal. */
static int read_journal(struct op_call *call, struct js *lines)
{
	int fd, status;
	pid_t pid;
	if (start_journal(call, &fd, &pid) < 0)
		return 0;
	FILE *f = fdopen(fd, "re");
	if (f) {
		read_lines(call, lines, f);
		fclose(f);
	} else {
		close(fd);
	}
	return waitpid(pid, &status, 0) == pid && WIFEXITED(status) && WEXITSTATUS(status) == 0;
}

static int read_logs(struct op_call *call, struct js *lines)
{
	static const char *const system_logs[] = {"/var/log/mail.log.1", "/var/log/mail.log",
		"/var/log/maillog.1", "/var/log/maillog"};
	const char *log = call->config->common.log;
	int found = 0;
	if (log[0] == '/') {
		read_log(call, lines, pool_printf(call->pool, "%s.1", log));
		found = read_log(call, lines, log);
	}
	for (size_t i = 0; strcmp(log, "syslog") == 0 && i < COUNT_OF(system_logs); i++)
		found |= read_log(call, lines, system_logs[i]);
	if (strcmp(log, "syslog") == 0 && !js_count(lines))
		found |= read_journal(call, lines);
	return found ? 0 : op_fail(call, "The log (%s) can't be read.", log);
}

/* Where the message is now; that it is in the queue no more is no failure. */
static bool add_queue(struct op_call *call)
{
	struct queue_show_request rq = {op_str(call, "id")};
	struct queue_show_reply reply;
	if (ask(call, QUEUE_ADMIN, &queue_show_request_msg, &rq, &queue_show_reply_msg, &reply) < 0)
		return false;
	queue_put_info(call, js_put_object(call->result, "queue"), &reply.info);
	return true;
}

static int trace(struct op_call *call)
{
	struct js *lines;
	call->result = js_object(call->pool);
	js_put(call->result, "id", op_str(call, "id"));
	lines = js_put_list(call->result, "story");
	int log = read_logs(call, lines);
	const char *no_log = call->err;
	bool queued = add_queue(call);
	call->err = no_log;
	if (log < 0 && !queued)
		return -1;
	if (!js_count(lines) && !queued)
		return op_fail(call, "Nothing is known of %s.", op_str(call, "id"));
	return 0;
}

const struct op op_trace_rows[] = {
	{
		.name = "trace",
		.method = "GET",
		.path = "/trace/{id}",
		.params = {{"id", OP_NAME, 0,
			"Trace id of a message: see its Received field or the log."}},
		.role = OP_READ,
		.flags = OP_IDEMPOTENT,
		.run = trace,
		.help = "The story of a message: every log line about it, in order, and where it is now.",
	},
	{.name = NULL},
};
