/* thurn start, stop, reload, status: the server of the configuration folder. */
#include <signal.h>

#include "admin/ask.h"
#include "admin/instance.h"
#include "service/control.h"

static int server_start(struct op_call *call)
{
	if (instance_is_running(call->config))
		return op_flag(call, "if-needed") ? 0 : op_fail(call, "The server is running already.");
	return instance_start(call, call->config, NULL);
}

static int server_stop(struct op_call *call)
{
	if (!instance_is_running(call->config))
		return op_flag(call, "if-needed") ? 0 : op_fail(call, "The server is not running.");
	return instance_stop(call, call->config, false);
}

static int server_upgrade(struct op_call *call)
{
	return instance_upgrade(call, call->config);
}

static int log_reopen_all(struct op_call *call)
{
	if (!instance_is_running(call->config))
		return op_flag(call, "if-needed") ? 0 : op_fail(call, "The server is not running.");
	return instance_signal(call, call->config, SIGUSR1);
}

static int server_reload(struct op_call *call)
{
	struct control_none none = {0}, done;
	if (config_check(call->config, &call->err) < 0)
		return -1;
	return ask(
		call, INSTANCE_SOCKET, &control_reload_call_msg, &none, &control_done_msg, &done);
}

static void put_service(struct js *list, const struct control_status_service *s)
{
	const struct control_status_worker *w = s->workers.v;
	struct js *to = js_add_object(list);
	uint64_t connections = 0, served = 0;
	for (size_t i = 0; i < s->workers.n; i++) {
		connections += w[i].connections;
		served += w[i].served;
	}
	js_put(to, "service", s->name);
	js_put(to, "program", s->program);
	js_put(to, "state", s->ready ? "ready" : s->trouble[0] ? s->trouble : "starting");
	js_put_num(to, "workers", (int64_t)s->workers.n);
	js_put_num(to, "connections", (int64_t)connections);
	js_put_num(to, "served", (int64_t)served);
	js_put_num(to, "refused", (int64_t)s->refused);
	js_put_num(to, "restarts", (int64_t)s->restarts);
	struct js *pids = js_put_list(to, "pids");
	for (size_t i = 0; i < s->workers.n; i++)
		js_add_num(pids, w[i].pid);
}

static int server_status(struct op_call *call)
{
	struct control_none none = {0};
	struct control_status status;
	if (ask(call, INSTANCE_SOCKET, &control_status_msg, &none, &control_status_reply_msg,
		    &status) < 0)
		return -1;
	call->result = js_object(call->pool);
	js_put(call->result, "state", status.state);
	js_put_bool(call->result, "ready", status.ready);
	js_put_num(call->result, "pid", status.pid);
	js_put_num(call->result, "generation", status.generation);
	js_put_num(call->result, "uptime", (int64_t)(status.uptime_ms / 1000));
	struct js *services = js_put_list(call->result, "services");
	const struct control_status_service *v = status.services.v;
	for (size_t i = 0; i < status.services.n; i++)
		put_service(services, &v[i]);
	return 0;
}

const struct op op_server_rows[] = {
	{
		.name = "start",
		.params = {{"if-needed", OP_FLAG, OP_OPTION, "That it runs already is no error."}},
		.role = OP_ADMIN,
		.run = server_start,
		.help = "Starts the server in the background; returns when every service answers. Where "
			"systemd runs it, use systemctl start thurn.",
	},
	{
		.name = "stop",
		.params = {{"if-needed", OP_FLAG, OP_OPTION, "That it does not run is no error."}},
		.role = OP_ADMIN,
		.run = server_stop,
		.help = "Stops the server: connections are ended in order, then the processes. Returns "
			"when all are gone.",
	},
	{
		.name = "upgrade",
		.role = OP_ADMIN,
		.run = server_upgrade,
		.help = "Puts the programs that are installed now in the place of those that run. Nobody "
			"is disconnected: open connections are served to their end by the old ones.",
	},
	{
		.name = "log reopen",
		.params = {{"if-needed", OP_FLAG, OP_OPTION, "That the server does not run is no error."}},
		.role = OP_ADMIN,
		.flags = OP_IDEMPOTENT,
		.run = log_reopen_all,
		.help = "All processes go on in the log file of that name, after the old one has been "
			"renamed. A reload does it, too.",
	},
	{
		.name = "reload",
		.method = "POST",
		.path = "/server?action=reload",
		.role = OP_ADMIN,
		.flags = OP_IDEMPOTENT,
		.run = server_reload,
		.help = "Reads the configuration again. New connections get it; those that are open are "
			"served to their end as they began.",
	},
	{
		.name = "status",
		.method = "GET",
		.path = "/server",
		.role = OP_READ,
		.flags = OP_IDEMPOTENT,
		.run = server_status,
		.help = "The services and their processes.",
	},
	{.name = NULL},
};
