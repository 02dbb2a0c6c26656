#include "admin/ask.h"

#include <unistd.h>

static int unreachable(struct op_call *call, const char *path, const char *why)
{
	if (access(path, F_OK) < 0)
		return op_fail(call, "The server is not running (there is no %s).", path);
	return op_fail(call, "%s does not answer: %s", path, why);
}

int ask(struct op_call *call, const char *socket, const struct ipc_msg *request, const void *body,
	const struct ipc_msg *reply_msg, void *reply)
{
	const char *path = pool_printf(call->pool, "%s/%s", call->config->common.run_dir, socket);
	const char *why = "no reason was given.";
	struct ipc_client *client = ipc_client_new(path);
	struct ipc_call question = {
		.request = request,
		.body = body,
		.reply_type = reply_msg,
		.reply = reply,
		.deadline = io_deadline(ASK_DEADLINE_MS),
	};
	int rc = ipc_client_call(client, call->pool, &question, &why);
	why = pool_strdup(call->pool, why);
	ipc_client_free(&client);
	if (rc == 0)
		return 0;
	return rc == IPC_REFUSED ? op_fail(call, "%s", why) : unreachable(call, path, why);
}
