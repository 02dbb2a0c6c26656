#include "directory/directory.h"

#include "base/log.h"

void directory_resolve(struct ipc_client *c, struct pool *pool, const char *local,
	const char *domain, struct dir_resolve_reply *reply_r)
{
	struct dir_resolve_request rq = {.local = local, .domain = domain};
	struct ipc_call call = {
		.request = &dir_resolve_request_msg,
		.body = &rq,
		.reply_type = &dir_resolve_reply_msg,
		.reply = reply_r,
		.deadline = io_deadline(DIRECTORY_DEADLINE_MS),
	};
	const char *err;
	if (ipc_client_call(c, pool, &call, &err) == 0)
		return;
	log_warning("directory look-up failed: %s", err);
	*reply_r = (struct dir_resolve_reply){
		.status = DIR_TEMPFAIL, .account = "", .canonical = ""};
}

int directory_may_send(
	struct ipc_client *c, struct pool *pool, const char *user, const char *sender)
{
	struct dir_may_send_request rq = {.user = user, .sender = sender};
	struct dir_may_send_reply reply = {0};
	struct ipc_call call = {
		.request = &dir_may_send_request_msg,
		.body = &rq,
		.reply_type = &dir_may_send_reply_msg,
		.reply = &reply,
		.deadline = io_deadline(DIRECTORY_DEADLINE_MS),
	};
	const char *err;
	if (ipc_client_call(c, pool, &call, &err) == 0)
		return reply.yes;
	log_warning("directory look-up failed: %s", err);
	return -1;
}
