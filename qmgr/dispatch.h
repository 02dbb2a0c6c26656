/*
 * Destinations and their jobs: which job an agent gets next. Destinations take turns; each has its
 * pace (queue/retry.h), and all jobs of a closed one are deferred at once. Large messages to other
 * hosts wait in a lane of their own for their turn to be copied (copies.h): the small ones pass
 * them by, and the lanes take turns where places of agents are scarce.
 */
#ifndef QMGR_DISPATCH_H
#define QMGR_DISPATCH_H

#include "mail/outcome.h"
#include "qmgr/message.h"
#include "queue/retry.h"

struct agent_conn;

struct job_recipient {
	uint32_t index; /* of the message's recipients */
	const char *account;
	uint64_t quota_bytes, quota_messages;
};

/* Lives in the message's pool. */
struct job {
	struct list link;	/* in its destination, or with the agent that has it */
	struct list in_message; /* among the message's that wait */
	struct message *m;
	struct destination *destination;
	enum lane lane;
	struct agent_conn *conn; /* NULL: waits */
	uint64_t id;
	const char *host;   /* what the agent is told as destination */
	const char *sender; /* of the envelope that it gets */
	const char *reason; /* AGENT_REASON_*, "" for a delivery */
	struct job_recipient *v;
	size_t n;
};

enum agent_kind { AGENT_LOCAL, AGENT_SMTP, AGENT_BOUNCE, AGENT_KINDS };
extern const char *const agent_names[AGENT_KINDS];

struct destination_lane {
	struct destination *destination;
	struct list ready; /* among those that have jobs */
	struct list jobs;
	size_t waiting;
};

struct destination {
	struct destination_lane lanes[LANES];
	struct dispatch *dispatch;
	enum agent_kind kind;
	const char *name;
	unsigned busy;
	uint64_t large; /* octets of large messages with agents */
	struct pace pace;
	struct outcome why; /* what closed it; heap */
	int64_t idle_since;
};

struct dispatch *dispatch_new(struct qmgr *q);
void dispatch_start(struct dispatch *d);

/* Queues a job of m for agents of that kind; m->jobs counts it. */
void dispatch_add(
	struct dispatch *d, enum agent_kind kind, const char *destination, struct job *job);
/* Takes back what no agent has yet; its recipients wait again. */
void dispatch_cancel(struct dispatch *d, struct message *m);
/* The agent answered: o[i] for each recipient; host_down as in agent.h. Frees nothing. */
void dispatch_result(struct dispatch *d, struct job *job, const struct outcome *o, bool host_down);
/* The agent did not get it: the message can't be read. Not its destination's fault. */
void dispatch_unreadable(struct dispatch *d, struct job *job);
/* The agent is gone: the job goes to another one. */
void dispatch_again(struct dispatch *d, struct job *job);
/* An agent has become free, or came. */
void dispatch_kick(struct dispatch *d);
/* Closed destinations are tried again (flush). */
void dispatch_open_all(struct dispatch *d);
/* Memory is full: when one destination has most of it, its later messages are parked for a while.
 * */
void dispatch_park_overflow(struct dispatch *d);
struct agents *dispatch_agents(struct dispatch *d);

#endif
