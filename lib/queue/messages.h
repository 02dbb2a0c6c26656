/* What submitters and operators say to qmgr (unix:queue, unix:queue-admin). */
#ifndef QUEUE_MESSAGES_H
#define QUEUE_MESSAGES_H

#include "ipc/ipc.h"
#include "ipc/types.h"

/* Notice, from a submitter: there is a record. Only a hint: qmgr reads segments' tails anyway. */
struct queue_announce {
	uint64_t segment, offset, length;
};
extern const struct ipc_msg queue_announce_msg;

/* Operators. */
struct queue_list_request {
	const char *match; /* trace id, or "" for all; or sender=/recipient=/domain= filters */
	const char *state; /* "", "held", "deferred", "active" */
	uint64_t limit;
	const char *after; /* trace id to continue after */
};
struct queue_recipient_info {
	const char *address, *state /* queued deferred held done failed */, *agent, *status, *text;
	int64_t next_attempt; /* wall seconds; 0: none */
	uint64_t attempts;
};
struct queue_message_info {
	const char *trace, *sender, *state, *remote, *auth_user;
	int64_t arrival, expires; /* wall seconds */
	uint64_t size;
	struct ipc_list recipients; /* queue_recipient_info */
};
struct queue_list_reply {
	uint64_t total;
	struct ipc_list messages; /* queue_message_info */
};
/* hold, release, remove, flush: trace "" with all set means every message. */
struct queue_action_request {
	const char *action, *match;
	bool all;
};
struct queue_action_reply {
	uint64_t count;
};
/* The message's text. */
struct queue_show_request {
	const char *trace;
};
struct queue_show_reply {
	struct queue_message_info info;
	struct span head; /* the message, cut at 64 KiB */
};
extern const struct ipc_msg queue_list_request_msg, queue_list_reply_msg, queue_action_request_msg,
	queue_action_reply_msg, queue_show_request_msg, queue_show_reply_msg;

#endif
