#include "queue/messages.h"

#define F(type, of, field)      {IPC_##type, #field, offsetof(struct of, field), NULL}
#define LIST(of, field, subtype) {IPC_LIST, #field, offsetof(struct of, field), &subtype}
#define END                     {IPC_END, NULL, 0, NULL}

enum {
	TYPE_ANNOUNCE = IPC_RANGE_QUEUE,
	TYPE_LIST_REQUEST,
	TYPE_LIST_REPLY,
	TYPE_MESSAGE_INFO,
	TYPE_RECIPIENT_INFO,
	TYPE_ACTION_REQUEST,
	TYPE_ACTION_REPLY,
	TYPE_SHOW_REQUEST,
	TYPE_SHOW_REPLY,
};

static const struct ipc_field announce_fields[] = {
	F(U64, queue_announce, segment), F(U64, queue_announce, offset),
	F(U64, queue_announce, length), END};
const struct ipc_msg queue_announce_msg = {
	TYPE_ANNOUNCE, "queue-announce", sizeof(struct queue_announce), announce_fields};

static const struct ipc_field list_request_fields[] = {
	F(STR, queue_list_request, match), F(STR, queue_list_request, state),
	F(U64, queue_list_request, limit), F(STR, queue_list_request, after), END};
const struct ipc_msg queue_list_request_msg = {TYPE_LIST_REQUEST, "queue-list",
	sizeof(struct queue_list_request), list_request_fields};

static const struct ipc_field recipient_info_fields[] = {
	F(STR, queue_recipient_info, address), F(STR, queue_recipient_info, state),
	F(STR, queue_recipient_info, agent), F(STR, queue_recipient_info, status),
	F(STR, queue_recipient_info, text), F(U64, queue_recipient_info, next_attempt),
	F(U64, queue_recipient_info, attempts), END};
static const struct ipc_msg recipient_info_msg = {TYPE_RECIPIENT_INFO, "queue-recipient",
	sizeof(struct queue_recipient_info), recipient_info_fields};

static const struct ipc_field message_info_fields[] = {
	F(STR, queue_message_info, trace), F(STR, queue_message_info, sender),
	F(STR, queue_message_info, state), F(STR, queue_message_info, remote),
	F(STR, queue_message_info, auth_user), F(U64, queue_message_info, arrival),
	F(U64, queue_message_info, expires), F(U64, queue_message_info, size),
	LIST(queue_message_info, recipients, recipient_info_msg), END};
static const struct ipc_msg message_info_msg = {TYPE_MESSAGE_INFO, "queue-message",
	sizeof(struct queue_message_info), message_info_fields};

static const struct ipc_field list_reply_fields[] = {F(U64, queue_list_reply, total),
	LIST(queue_list_reply, messages, message_info_msg), END};
const struct ipc_msg queue_list_reply_msg = {
	TYPE_LIST_REPLY, "queue-list-reply", sizeof(struct queue_list_reply), list_reply_fields};

static const struct ipc_field action_request_fields[] = {F(STR, queue_action_request, action),
	F(STR, queue_action_request, match), F(BOOL, queue_action_request, all), END};
const struct ipc_msg queue_action_request_msg = {TYPE_ACTION_REQUEST, "queue-action",
	sizeof(struct queue_action_request), action_request_fields};

static const struct ipc_field action_reply_fields[] = {F(U64, queue_action_reply, count), END};
const struct ipc_msg queue_action_reply_msg = {TYPE_ACTION_REPLY, "queue-action-reply",
	sizeof(struct queue_action_reply), action_reply_fields};

static const struct ipc_field show_request_fields[] = {F(STR, queue_show_request, trace), END};
const struct ipc_msg queue_show_request_msg = {TYPE_SHOW_REQUEST, "queue-show",
	sizeof(struct queue_show_request), show_request_fields};

/* The info lies inside the reply, so its fields are named with their own offsets. */
#define INFO(type, field)                                                                          \
	{IPC_##type, #field, offsetof(struct queue_show_reply, info.field), NULL}
static const struct ipc_field show_reply_fields[] = {INFO(STR, trace), INFO(STR, sender),
	INFO(STR, state), INFO(STR, remote), INFO(STR, auth_user), INFO(U64, arrival),
	INFO(U64, expires), INFO(U64, size),
	{IPC_LIST, "recipients", offsetof(struct queue_show_reply, info.recipients), &recipient_info_msg},
	F(BLOB, queue_show_reply, head), END};
const struct ipc_msg queue_show_reply_msg = {
	TYPE_SHOW_REPLY, "queue-show-reply", sizeof(struct queue_show_reply), show_reply_fields};
