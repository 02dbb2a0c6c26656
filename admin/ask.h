/* One question to an owner over its socket in run_dir. */
#ifndef ADMIN_ASK_H
#define ADMIN_ASK_H

#include "admin/op.h"
#include "ipc/ipc.h"

#define ASK_DEADLINE_MS 30000

/* 0 with *reply filled from the call's pool; -1 with call->err: the owner's sentence, or that it
 * can't be reached. */
int ask(struct op_call *call, const char *socket, const struct ipc_msg *request, const void *body,
	const struct ipc_msg *reply_msg, void *reply);

#endif
