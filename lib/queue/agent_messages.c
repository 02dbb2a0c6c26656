#include "queue/agent_messages.h"

enum {
	TYPE_HELLO = IPC_RANGE_AGENT,
	TYPE_SEGMENT,
	TYPE_WORK,
	TYPE_WORK_RECIPIENT,
	TYPE_WORK_OUTCOME,
	TYPE_RESULT,
	TYPE_NOTED,
	TYPE_SUBMIT_REQUEST,
	TYPE_SUBMIT_REPLY,
};

#define MSG(name_, type_, text)                                                                    \
	{                                                                                          \
		.type = type_, .name = text, .size = sizeof(struct name_),                         \
		.fields = name_##_fields                                                           \
	}

#define IPC_STRUCT agent_hello
static const struct ipc_field agent_hello_fields[] = {
	IPC_ROW(STR, name), IPC_ROW(U64, capacity), IPC_ROW(BOOL, segments), IPC_ROWS_END};
#undef IPC_STRUCT
const struct ipc_msg agent_hello_msg = MSG(agent_hello, TYPE_HELLO, "agent-hello");

#define IPC_STRUCT agent_segment
static const struct ipc_field agent_segment_fields[] = {
	IPC_ROW(U64, id), IPC_ROW(BOOL, gone), IPC_ROWS_END};
#undef IPC_STRUCT
const struct ipc_msg agent_segment_msg = MSG(agent_segment, TYPE_SEGMENT, "agent-segment");

#define IPC_STRUCT agent_work_recipient
static const struct ipc_field agent_work_recipient_fields[] = {
	IPC_ROW(STR, address),
	IPC_ROW(STR, account),
	IPC_ROW(U64, quota_bytes),
	IPC_ROW(U64, quota_messages),
	IPC_ROW(U32, fate),
	IPC_ROW(STR, status),
	IPC_ROW(STR, text),
	IPC_ROW(STR, remote_mta),
	IPC_ROWS_END,
};
#undef IPC_STRUCT
static const struct ipc_msg agent_work_recipient_msg =
	MSG(agent_work_recipient, TYPE_WORK_RECIPIENT, "agent-work-recipient");

#define IPC_STRUCT agent_work
static const struct ipc_field agent_work_fields[] = {
	IPC_ROW(U64, job),
	IPC_ROW(U64, segment),
	IPC_ROW(U64, at),
	IPC_ROW(U64, size),
	IPC_ROW(U64, attempt),
	IPC_ROW(BLOB, envelope),
	IPC_ROW(STR, destination),
	IPC_ROW(STR, reason),
	IPC_ROW(U64, retry_until),
	IPC_ROW_LIST(recipients, &agent_work_recipient_msg),
	IPC_ROWS_END,
};
#undef IPC_STRUCT
const struct ipc_msg agent_work_msg = MSG(agent_work, TYPE_WORK, "agent-work");

#define IPC_STRUCT agent_work_outcome
static const struct ipc_field agent_work_outcome_fields[] = {IPC_ROW(U32, fate),
	IPC_ROW(STR, status), IPC_ROW(STR, text), IPC_ROW(STR, remote_mta), IPC_ROWS_END};
#undef IPC_STRUCT
static const struct ipc_msg agent_work_outcome_msg =
	MSG(agent_work_outcome, TYPE_WORK_OUTCOME, "agent-work-outcome");

#define IPC_STRUCT agent_result
static const struct ipc_field agent_result_fields[] = {IPC_ROW(U64, job), IPC_ROW(BOOL, host_down),
	IPC_ROW_LIST(outcomes, &agent_work_outcome_msg), IPC_ROWS_END};
#undef IPC_STRUCT
const struct ipc_msg agent_result_msg = MSG(agent_result, TYPE_RESULT, "agent-result");

#define IPC_STRUCT agent_noted
static const struct ipc_field agent_noted_fields[] = {IPC_ROW(U64, results), IPC_ROWS_END};
#undef IPC_STRUCT
const struct ipc_msg agent_noted_msg = MSG(agent_noted, TYPE_NOTED, "agent-noted");

#define IPC_STRUCT agent_submit_request
static const struct ipc_field agent_submit_request_fields[] = {IPC_ROW(U64, job),
	IPC_ROW(STR, step), IPC_ROW(BLOB, envelope), IPC_ROW(BLOB, message), IPC_ROWS_END};
#undef IPC_STRUCT
const struct ipc_msg agent_submit_request_msg =
	MSG(agent_submit_request, TYPE_SUBMIT_REQUEST, "agent-submit");

#define IPC_STRUCT agent_submit_reply
static const struct ipc_field agent_submit_reply_fields[] = {IPC_ROW(STR, trace), IPC_ROWS_END};
#undef IPC_STRUCT
const struct ipc_msg agent_submit_reply_msg =
	MSG(agent_submit_reply, TYPE_SUBMIT_REPLY, "agent-submit-reply");
