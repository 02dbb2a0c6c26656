/*
 * What qmgr and its delivery agents say to each other (unix:queue-agent). The agent connects and
 * says hello; qmgr sends jobs up to its capacity; the agent answers each job with one result. When
 * the connection ends, all its jobs count as never begun.
 */
#ifndef QUEUE_AGENT_MESSAGES_H
#define QUEUE_AGENT_MESSAGES_H

#include "ipc/ipc.h"
#include "ipc/types.h"

/* Notice, first on a connection, and again when the capacity changes (0: the agent is stopping). */
struct agent_hello {
	const char *name;
	uint64_t capacity; /* jobs at once */
	bool segments;	   /* rule 6: segment descriptors instead of one sealed file per job */
};

/* Notice to the agent: the read-only descriptor comes along, once per connection; gone: it may be
 * closed. */
struct agent_segment {
	uint64_t id;
	bool gone;
};

struct agent_work_recipient {
	const char *address, *account;
	uint64_t quota_bytes, quota_messages;
	uint32_t fate; /* with bounce: what became of it */
	const char *status, *text, *remote_mta;
};
/* Notice to the agent; segment 0: the message's descriptor comes along. The envelope
 * (mail/envelope.h) has just the recipients of the job, in the same order. */
struct agent_work {
	uint64_t job, segment, at, size, attempt;
	struct span envelope;
	const char *destination, *reason;
	int64_t retry_until;	    /* wall seconds; for reports */
	struct ipc_list recipients; /* agent_work_recipient */
};

struct agent_work_outcome {
	uint32_t fate;
	const char *status, *text, *remote_mta;
};
/* Notice from the agent. */
struct agent_result {
	uint64_t job;
	bool host_down;		  /* the destination as a whole can't be reached now */
	struct ipc_list outcomes; /* agent_work_outcome, one per recipient in order */
};

/* Notice to the agent, now and then: so many results of this connection are on record; the agent
 * may forget them. */
struct agent_noted {
	uint64_t results;
};

/* Call: mail made of mail (rule 5). Answered when the new message is durable, or was already. */
struct agent_submit_request {
	uint64_t job;
	const char *step;
	struct span envelope, message;
};
struct agent_submit_reply {
	const char *trace; /* of the new message */
};

extern const struct ipc_msg agent_hello_msg, agent_segment_msg, agent_work_msg, agent_result_msg,
	agent_noted_msg, agent_submit_request_msg, agent_submit_reply_msg;

#define AGENT_NAME_MAX	   32
#define AGENT_CAPACITY_MAX 10000

#endif
