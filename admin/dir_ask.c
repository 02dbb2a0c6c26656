#include "admin/dir_ask.h"

#define PAGE 1000

int dir_change(struct op_call *call, const struct ipc_msg *request, const void *body)
{
	struct dir_done done;
	return ask(call, DIR_ADMIN, request, body, &dir_done_msg, &done);
}

int dir_each(struct op_call *call, const struct ipc_msg *request, const char *match,
	void (*each)(struct op_call *call, const struct dir_entry *entry))
{
	struct dir_list_request rq = {.match = match ? match : "", .after = "", .limit = PAGE};
	struct dir_list_reply reply;
	do {
		if (ask(call, DIR_ADMIN, request, &rq, &dir_list_reply_msg, &reply) < 0)
			return -1;
		const struct dir_entry *entries = reply.entries.v;
		for (size_t i = 0; i < reply.entries.n; i++)
			each(call, &entries[i]);
		if (reply.entries.n)
			rq.after = entries[reply.entries.n - 1].name;
	} while (reply.more && reply.entries.n);
	return 0;
}

int dir_account(struct op_call *call, const char *address, struct dir_entry *entry_r)
{
	struct dir_list_request rq = {.match = address, .after = "", .limit = 1};
	struct dir_list_reply reply;
	if (ask(call, DIR_ADMIN, &dir_user_list_msg, &rq, &dir_list_reply_msg, &reply) < 0)
		return -1;
	if (!reply.entries.n)
		return op_fail(call, "There is no user %s.", address);
	*entry_r = *(struct dir_entry *)reply.entries.v;
	return 0;
}
