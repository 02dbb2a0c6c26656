/* thurn sandbox: a private instance in a folder, for trying and testing. */
#include "admin/dir_ask.h"
#include "admin/instance.h"
#include "admin/sandbox.h"

static void note_domain(struct op_call *call, const struct dir_entry *entry)
{
	if (strcmp(entry->name, SANDBOX_DOMAIN) == 0)
		js_put_bool(call->result, SANDBOX_DOMAIN, true);
}

static int add_domain(struct op_call *call)
{
	struct dir_name rq = {SANDBOX_DOMAIN};
	call->result = js_object(call->pool);
	if (dir_each(call, &dir_domain_list_msg, NULL, note_domain) < 0)
		return -1;
	return js_count(call->result) ? 0 : dir_change(call, &dir_domain_add_msg, &rq);
}

static int sandbox_start(struct op_call *call)
{
	const char *dir = op_str(call, "dir");
	uint64_t base = op_num(call, "base-port");
	if (base > SANDBOX_PORT_MOST)
		return op_fail(call, "The base port is at most %d.", SANDBOX_PORT_MOST);
	if (sandbox_open(call, dir, &call->config) == 0 && instance_is_running(call->config))
		return op_fail(call, "The sandbox in %s is running already.", dir);
	config_free(&call->config);
	call->err = NULL;
	if (sandbox_prepare(call, dir, base, op_many(call, "set"), &call->config) < 0)
		return -1;
	const char *log = pool_printf(call->pool, "%s/log/thurn.log", call->config->common.root);
	if (instance_start(call, call->config, log) < 0 || add_domain(call) < 0) {
		const char *why = call->err;
		instance_stop(call, call->config, false);
		call->err = why;
		return -1;
	}
	call->result = js_object(call->pool);
	return sandbox_ports(call, call->config, call->result);
}

static int sandbox_stop(struct op_call *call)
{
	if (sandbox_open(call, op_str(call, "dir"), &call->config) < 0)
		return -1;
	return instance_stop(call, call->config, op_flag(call, "kill"));
}

const struct op op_sandbox_rows[] = {
	{
		.name = "sandbox start",
		.params = {{"dir", OP_TEXT, 0, "The folder; made if it is not there."},
			{"base-port", OP_NUM, OP_OPTION,
				"What is added to the well-known ports; 10000 for a new folder."},
			{"set", OP_TEXT, OP_OPTION | OP_MANY,
				"A setting: name=value, program.name=value or service:name=value."}},
		.role = OP_ADMIN,
		.flags = OP_NO_CONFIG | OP_ALWAYS_JSON,
		.run = sandbox_start,
		.help = "Starts a private instance with the domain " SANDBOX_DOMAIN
			" in a folder, on ports of 127.0.0.1, and prints them as JSON when every "
			"service answers. Started again it goes on with what is in the folder.",
	},
	{
		.name = "sandbox stop",
		.params = {{"dir", OP_TEXT, 0, "The folder."},
			{"kill", OP_FLAG, OP_OPTION, "At once, as a crash would end it."}},
		.role = OP_ADMIN,
		.flags = OP_NO_CONFIG,
		.run = sandbox_stop,
		.help = "Stops a private instance; returns when all of its processes are gone.",
	},
	{.name = NULL},
};
