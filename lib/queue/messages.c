#include "queue/messages.h"

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

#define MSG(name_, type_, text)                                                                    \
	{                                                                                          \
		.type = type_, .name = text, .size = sizeof(struct name_),                         \
		.fields = name_##_fields                                                           \
	}

#define IPC_STRUCT queue_announce
static const struct ipc_field queue_announce_fields[] = {
	IPC_ROW(U64, segment), IPC_ROW(U64, offset), IPC_ROW(U64, length), IPC_ROWS_END};
#undef IPC_STRUCT
const struct ipc_msg queue_announce_msg = MSG(queue_announce, TYPE_ANNOUNCE, "queue-announce");

#define IPC_STRUCT queue_list_request
static const struct ipc_field queue_list_request_fields[] = {IPC_ROW(STR, match),
	IPC_ROW(STR, state), IPC_ROW(U64, limit), IPC_ROW(STR, after), IPC_ROWS_END};
#undef IPC_STRUCT
const struct ipc_msg queue_list_request_msg =
	MSG(queue_list_request, TYPE_LIST_REQUEST, "queue-list");

#define IPC_STRUCT queue_recipient_info
static const struct ipc_field queue_recipient_info_fields[] = {
	IPC_ROW(STR, address),
	IPC_ROW(STR, state),
	IPC_ROW(STR, agent),
	IPC_ROW(STR, status),
	IPC_ROW(STR, text),
	IPC_ROW(U64, next_attempt),
	IPC_ROW(U64, attempts),
	IPC_ROWS_END,
};
#undef IPC_STRUCT
static const struct ipc_msg queue_recipient_info_msg =
	MSG(queue_recipient_info, TYPE_RECIPIENT_INFO, "queue-recipient");

/* A message's facts stand by themselves in a list, and inside the reply to show. */
#define INFO_ROWS(in)                                                                              \
	IPC_ROW(STR, in trace), IPC_ROW(STR, in sender), IPC_ROW(STR, in state),                   \
		IPC_ROW(STR, in remote), IPC_ROW(STR, in auth_user), IPC_ROW(U64, in arrival),     \
		IPC_ROW(U64, in expires), IPC_ROW(U64, in size),                                   \
		IPC_ROW_LIST(in recipients, &queue_recipient_info_msg)

#define IPC_STRUCT queue_message_info
static const struct ipc_field queue_message_info_fields[] = {INFO_ROWS(), IPC_ROWS_END};
#undef IPC_STRUCT
static const struct ipc_msg queue_message_info_msg =
	MSG(queue_message_info, TYPE_MESSAGE_INFO, "queue-message");

#define IPC_STRUCT queue_list_reply
static const struct ipc_field queue_list_reply_fields[] = {
	IPC_ROW(U64, total), IPC_ROW_LIST(messages, &queue_message_info_msg), IPC_ROWS_END};
#undef IPC_STRUCT
const struct ipc_msg queue_list_reply_msg =
	MSG(queue_list_reply, TYPE_LIST_REPLY, "queue-list-reply");

#define IPC_STRUCT queue_action_request
static const struct ipc_field queue_action_request_fields[] = {
	IPC_ROW(STR, action), IPC_ROW(STR, match), IPC_ROW(BOOL, all), IPC_ROWS_END};
#undef IPC_STRUCT
const struct ipc_msg queue_action_request_msg =
	MSG(queue_action_request, TYPE_ACTION_REQUEST, "queue-action");

#define IPC_STRUCT queue_action_reply
static const struct ipc_field queue_action_reply_fields[] = {IPC_ROW(U64, count), IPC_ROWS_END};
#undef IPC_STRUCT
const struct ipc_msg queue_action_reply_msg =
	MSG(queue_action_reply, TYPE_ACTION_REPLY, "queue-action-reply");

#define IPC_STRUCT queue_show_request
static const struct ipc_field queue_show_request_fields[] = {IPC_ROW(STR, trace), IPC_ROWS_END};
#undef IPC_STRUCT
const struct ipc_msg queue_show_request_msg =
	MSG(queue_show_request, TYPE_SHOW_REQUEST, "queue-show");

#define IPC_STRUCT queue_show_reply
static const struct ipc_field queue_show_reply_fields[] = {
	INFO_ROWS(info.), IPC_ROW(BLOB, head), IPC_ROWS_END};
#undef IPC_STRUCT
const struct ipc_msg queue_show_reply_msg =
	MSG(queue_show_reply, TYPE_SHOW_REPLY, "queue-show-reply");
