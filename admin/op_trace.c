/*
 * thurn trace: what happened to a message, from the log and the queue. The log lines of all
 * programs carry trace=ID, so that the story is the lines in the order of the log files, oldest
 * file first.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

#include "admin/queue_ask.h"

#define TRACE_LINES_MAX 10000

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

/* 1 read, 0 not there or not readable. */
static int read_log(struct op_call *call, struct js *lines, const char *path)
{
	FILE *f = fopen(path, "re");
	char *line = NULL;
	size_t size = 0;
	if (!f)
		return 0;
	for (ssize_t n; (n = getline(&line, &size, f)) > 0;) {
		if (!has_word(line, op_str(call, "id")))
			continue;
		if (line[n - 1] == '\n')
			line[n - 1] = '\0';
		if (js_count(lines) < TRACE_LINES_MAX)
			js_add(lines, line);
	}
	free(line);
	fclose(f);
	return 1;
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
