/* What the files of lib/agent share: the line to qmgr and the jobs that came over it. */
#ifndef AGENT_LINE_H
#define AGENT_LINE_H

#include "agent/agent.h"
#include "base/hash.h"
#include "base/list.h"
#include "base/log.h"
#include "queue/agent_messages.h"

/* A spool segment that qmgr let us read; closed with its last user. */
struct segment {
	uint64_t id;
	int fd;
	unsigned refs;
};

struct line {
	struct service_ctx *svc;
	const struct agent *agent;
	struct ipc_client *qmgr;
	struct hash *segments;
	uint64_t generation; /* of the connection */
	struct fiber_cond ended;
	bool connected;
	bool over; /* the stop has waited for the last job: no other begins */
	/* memory.c */
	struct list running;  /* jobs of this connection */
	struct list unnoted;  /* results sent, which qmgr has not yet on record; in order */
	uint64_t noted;	      /* results that it has */
	struct hash *orphans; /* of a connection that ended, by what they are about */
	struct list orphan_list;
};

struct work {
	struct agent_job job; /* what the program sees */
	struct line *line;
	struct list link; /* running, unnoted or orphan_list */
	uint64_t id, generation;
	struct segment *segment; /* NULL: the descriptor is our own */
	struct envelope envelope;
	struct log_context log;
	struct str key; /* what it is about */
	bool finished, orphan;
	int64_t orphan_since;
};

/* Answers the job, if the connection it came by is the present one. */
void work_send_result(struct work *w);
void work_free(struct work *w);

/*
 * --- memory.c: a qmgr that dies forgets what it gave out, and its successor gives it out again ---
 *
 * Where a delivery can't be repeated without harm (smtp: another host has the message), the agent
 * keeps results until qmgr has them on record, and knows a job again that it is already at or has
 * done: it answers with what it knows instead of delivering twice. Agents that get segments store a
 * delivery once by themselves, and keep nothing.
 */
void memory_init(struct line *line);
/* A new job: true when an older one stands for it; then the new one is done with. */
bool memory_takes(struct line *line, struct work *w);
void memory_started(struct work *w);
/* The result was made; frees the work now or later. */
void memory_finished(struct work *w);
/* qmgr has so many results of this connection on record. */
void memory_noted(struct line *line, uint64_t count);
void memory_line_ended(struct line *line);

#endif
