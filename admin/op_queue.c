/* thurn queue: what waits, and what to do with it. */
#include "admin/queue_ask.h"
#include "base/clock.h"
#include "base/num.h"

#define PAGE       500
#define LIST_LIMIT 10000

static void put_time(struct op_call *call, struct js *to, const char *key, int64_t seconds)
{
	struct str text = STR_IN(call->pool);
	if (seconds)
		clock_put_iso(&text, seconds * 1000);
	js_put(to, key, seconds ? str_c(&text) : NULL);
}

void queue_put_info(struct op_call *call, struct js *to, const struct queue_message_info *info)
{
	const struct queue_recipient_info *v = info->recipients.v;
	js_put(to, "id", info->trace);
	js_put(to, "state", info->state);
	js_put_num(to, "size", (int64_t)info->size);
	js_put(to, "sender", info->sender[0] ? info->sender : "<>");
	put_time(call, to, "arrival", info->arrival);
	put_time(call, to, "expires", info->expires);
	js_put(to, "remote", info->remote);
	js_put(to, "user", info->auth_user);
	struct js *list = js_put_list(to, "recipients");
	for (size_t i = 0; i < info->recipients.n; i++) {
		struct js *r = js_add_object(list);
		js_put(r, "address", v[i].address);
		js_put(r, "state", v[i].state);
		js_put(r, "agent", v[i].agent);
		js_put_num(r, "attempts", (int64_t)v[i].attempts);
		put_time(call, r, "next", v[i].next_attempt);
		js_put(r, "status", v[i].status);
		js_put(r, "text", v[i].text);
	}
}

/* "to" is for the text table, which has no room for all recipients. */
static void put_message(struct op_call *call, const struct queue_message_info *info)
{
	const struct queue_recipient_info *v = info->recipients.v;
	struct js *m = js_add_object(call->result);
	struct str names = STR_IN(call->pool);
	queue_put_info(call, m, info);
	for (size_t i = 0; i < num_min(info->recipients.n, 3); i++)
		str_printf(&names, "%s%s", i ? ", " : "", v[i].address);
	if (info->recipients.n > 3)
		str_printf(&names, " and %zu more", info->recipients.n - 3);
	js_put(m, "to", str_c(&names));
}

static int queue_list(struct op_call *call)
{
	const char *match = op_str(call, "match"), *state = op_str(call, "state");
	uint64_t left = op_str(call, "limit") ? op_num(call, "limit") : LIST_LIMIT;
	struct queue_list_request rq = {
		.match = match ? match : "", .state = state ? state : "", .after = ""};
	struct queue_list_reply reply;

	call->result = js_list(call->pool);
	do {
		rq.limit = left < PAGE ? left : PAGE;
		if (ask(call, QUEUE_ADMIN, &queue_list_request_msg, &rq, &queue_list_reply_msg,
			    &reply) < 0)
			return -1;
		const struct queue_message_info *v = reply.messages.v;
		for (size_t i = 0; i < reply.messages.n; i++)
			put_message(call, &v[i]);
		left -= reply.messages.n < left ? reply.messages.n : left;
		if (reply.messages.n)
			rq.after = v[reply.messages.n - 1].trace;
	} while (left && reply.messages.n == rq.limit);
	return 0;
}

static int queue_show(struct op_call *call)
{
	struct queue_show_request rq = {op_str(call, "id")};
	struct queue_show_reply reply;
	if (ask(call, QUEUE_ADMIN, &queue_show_request_msg, &rq, &queue_show_reply_msg, &reply) < 0)
		return -1;
	call->result = js_object(call->pool);
	queue_put_info(call, call->result, &reply.info);
	js_put_span(call->result, "message", reply.head);
	return 0;
}

/* The action's name is the operation's second word. */
static int queue_act(struct op_call *call)
{
	const char *match = op_str(call, "match");
	bool all = op_flag(call, "all");
	struct queue_action_request rq = {
		.action = strchr(call->op->name, ' ') + 1, .match = match ? match : "", .all = all};
	struct queue_action_reply reply;
	if (!match == !all)
		return op_fail(call, "Give either a message or --all.");
	if (ask(call, QUEUE_ADMIN, &queue_action_request_msg, &rq, &queue_action_reply_msg,
		    &reply) < 0)
		return -1;
	if (match && !reply.count)
		return op_fail(call, "Nothing in the queue matches %s.", match);
	call->result = js_object(call->pool);
	js_put_num(call->result, "count", (int64_t)reply.count);
	return 0;
}

static int queue_flush(struct op_call *call)
{
	const char *match = op_str(call, "match");
	struct queue_action_request rq = {
		.action = "flush", .match = match ? match : "", .all = !match};
	struct queue_action_reply reply;
	if (ask(call, QUEUE_ADMIN, &queue_action_request_msg, &rq, &queue_action_reply_msg,
		    &reply) < 0)
		return -1;
	call->result = js_object(call->pool);
	js_put_num(call->result, "count", (int64_t)reply.count);
	return 0;
}

#define MATCH_HELP "A message's id, or sender=ADDRESS, recipient=ADDRESS, domain=DOMAIN."
#define MATCH                                                                                      \
	{                                                                                          \
		"match", OP_NAME, OP_OPTIONAL, MATCH_HELP                                          \
	}
#define ALL                                                                                        \
	{                                                                                          \
		"all", OP_FLAG, OP_OPTION, "Every message."                                        \
	}

const struct op op_queue_rows[] = {
	{
		.name = "queue list",
		.method = "GET",
		.path = "/mailQueues/outgoing/mails",
		.params = {MATCH,
			{"state", OP_NAME, OP_OPTION,
				"Only those that are held, deferred or active."},
			{"limit", OP_NUM, OP_OPTION, "Most messages shown; 10000 if not given."}},
		.role = OP_READ,
		.flags = OP_IDEMPOTENT,
		.columns = "id state size arrival sender to",
		.run = queue_list,
		.help = "The messages that wait, oldest first.",
	},
	{
		.name = "queue show",
		.method = "GET",
		.path = "/mailQueues/outgoing/mails/{id}",
		.params = {{"id", OP_NAME, 0, "The message's id."}},
		.role = OP_ADMIN,
		.flags = OP_IDEMPOTENT,
		.run = queue_show,
		.help = "One message: its envelope, what was tried, and its first 64 KiB.",
	},
	{
		.name = "queue hold",
		.method = "PATCH",
		.path = "/mailQueues/outgoing/mails/{match}?hold=true",
		.params = {MATCH, ALL},
		.role = OP_ADMIN,
		.flags = OP_IDEMPOTENT,
		.run = queue_act,
		.help = "Delivers messages no further until they are released.",
	},
	{
		.name = "queue release",
		.method = "PATCH",
		.path = "/mailQueues/outgoing/mails/{match}?hold=false",
		.params = {MATCH, ALL},
		.role = OP_ADMIN,
		.flags = OP_IDEMPOTENT,
		.run = queue_act,
		.help = "Lets held messages go on.",
	},
	{
		.name = "queue remove",
		.method = "DELETE",
		.path = "/mailQueues/outgoing/mails/{match}",
		.params = {MATCH, ALL},
		.role = OP_ADMIN,
		.flags = OP_IDEMPOTENT,
		.run = queue_act,
		.help = "Removes messages; nobody is told.",
	},
	{
		.name = "queue flush",
		.method = "PATCH",
		.path = "/mailQueues/outgoing?delayed=true",
		.params = {MATCH},
		.role = OP_ADMIN,
		.flags = OP_IDEMPOTENT,
		.run = queue_flush,
		.help = "Tries deferred messages now, all or those that match.",
	},
	{.name = NULL},
};
