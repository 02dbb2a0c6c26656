/*
 * What every delivery agent shares: the line to qmgr, requests in, one struct outcome per recipient
 * out. An agent is a program of struct service without listener; service_run's start_user calls
 * agent_start.
 */
#ifndef AGENT_AGENT_H
#define AGENT_AGENT_H

#include "mail/envelope.h"
#include "mail/outcome.h"
#include "service/service.h"

struct agent_recipient {
	const char *address;		  /* as it is to be delivered now */
	const char *account;		  /* local: the account id; "" otherwise */
	const struct recipient *envelope; /* DSN parameters, original address */
	uint32_t index;
	struct account_hint {
		uint64_t quota_bytes, quota_messages;
	} limits;
	struct outcome outcome; /* filled by the agent; fate FATE_DEFERRED 4.3.0 until then */
};

struct agent_job {
	struct pool *pool;
	const struct envelope *envelope;
	const char *destination; /* routing host: domain or [smart host]; "" for local */
	struct agent_recipient *recipients;
	size_t n;
	int fd;		   /* the message: sealed memfd or segment, read-only */
	uint64_t at, size; /* where in fd it lies */
	uint64_t attempt;  /* 1, 2, ... */
	bool host_down;	   /* set by the agent: the destination as a whole can't be reached now; its
			      other mail waits too */
	const char *reason;  /* bounce: AGENT_REASON_*, what became of each recipient is in its
				outcome; else "" */
	int64_t retry_until; /* when the queue gives up, wall seconds */
};

#define AGENT_REASON_FAILED  "failed"
#define AGENT_REASON_DELAYED "delayed"
#define AGENT_REASON_DELIVERED                                                                     \
	"delivered" /* each recipient's fate tells delivered, relayed, expanded */

struct agent {
	const char *name;     /* what it says to qmgr: "smtp", "local", "bounce" */
	unsigned concurrency; /* jobs at once in this process */
	bool segments; /* gets segment descriptors instead of a memfd (rule 6: local and bounce) */
	/* Delivers; fills the outcomes. Runs in a fiber of its own; may take as long as its own
	 * deadlines allow. */
	void (*deliver)(struct service_ctx *svc, struct agent_job *job);
};

/* Connects to qmgr, and again when it comes back; runs until the service stops. */
int agent_start(struct service_ctx *svc, const struct agent *agent, const char **err_r);

/* Delivery agents that make mail (bounce) hand it to qmgr, which puts it in its own segment (rule
 * 5): the id derives from parent and step, so that doing it twice makes one message. */
int agent_submit(struct service_ctx *svc, struct agent_job *job, const char *step,
	const struct envelope *env, struct span message, const char **err_r);

#endif
