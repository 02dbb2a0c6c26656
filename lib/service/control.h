/*
 * What master and its workers say to each other over the worker's control socket, and what operators ask
 * master over run_dir/master. Range IPC_RANGE_MASTER.
 *
 * A worker is started with these descriptors, and with the variable SERVICE_ENV in its environment:
 * "slot row generation listeners".
 */
#ifndef SERVICE_CONTROL_H
#define SERVICE_CONTROL_H

#include "ipc/ipc.h"
#include "ipc/types.h"

#define SERVICE_ENV           "THURN_WORKER"
#define SERVICE_FD_CONTROL    3
#define SERVICE_FD_SCOREBOARD 4
#define SERVICE_FD_LISTEN     5 /* and up, in the order of `listen` */

struct control_none {
	uint32_t unused;
};

/* --- worker to master --- */

/* Notice: it serves from now on. */
struct control_ready {
	bool single; /* SERVICE_SINGLE: reloads in place, never two at once */
};
extern const struct ipc_msg control_ready_msg;
/* Notice: start-up takes long but goes on; master's patience starts anew. */
extern const struct ipc_msg control_progress_msg;
/* Notice: as many connections as it may have. */
extern const struct ipc_msg control_full_msg;

/* Notice: it serves the connection of that take. */
struct control_taken {
	uint32_t id;
};
extern const struct ipc_msg control_taken_msg;

/* Call: a fresh spool segment; its descriptor comes with the answer, or none and no id: the disk is full. */
extern const struct ipc_msg control_segment_msg;
#define CONTROL_SEGMENT_NONE 0
struct control_segment {
	uint64_t id;
};
extern const struct ipc_msg control_segment_reply_msg;

/* Call: a file without a name on the same disk; its descriptor comes with control_done. */
extern const struct ipc_msg control_temp_msg;

/* Call: a connection to one of the services' Unix sockets, made with the worker's own uid. */
struct control_connect {
	const char *name;
};
extern const struct ipc_msg control_connect_msg;
/* The same to the worker that the key prefers: the other end of the connection is passed to it, which believes the uid
 * and gid that master names. Refused when no worker can take it now. */
struct control_connect_by {
	const char *name;
	uint32_t key;
};
extern const struct ipc_msg control_connect_by_msg;
extern const struct ipc_msg control_done_msg; /* answer without contents */

/* --- master to worker, notices --- */

extern const struct ipc_msg control_retire_msg; /* finish what you have, then end */
struct control_stop {
	uint32_t ms; /* finish within */
};
extern const struct ipc_msg control_stop_msg;
extern const struct ipc_msg control_log_msg; /* with a descriptor: the log file goes on there */
/* With a descriptor: a connection to serve. Answered by taken. */
struct control_take {
	uint32_t id;
	uint32_t uid, gid; /* of who connects */
};
extern const struct ipc_msg control_take_msg;
extern const struct ipc_msg control_reload_msg; /* SERVICE_SINGLE: read the configuration again */

/* --- operators to master, calls --- */

extern const struct ipc_msg control_status_msg;
struct control_status_worker {
	uint32_t slot, pid, generation;
	const char *state;   /* starting ready retiring stopping */
	uint32_t connections;
	uint64_t served;     /* connections ever, by this process */
	uint64_t uptime_ms;
	uint32_t start_ms;   /* from fork to ready */
	struct ipc_list counters; /* struct control_status_counter, by service_count's index */
};
struct control_status_counter {
	uint64_t value;
};
struct control_status_service {
	const char *name, *program;
	bool ready;           /* a worker of the current generation serves */
	uint32_t min_workers, max_workers, connection_limit;
	uint64_t restarts;    /* workers that ended unasked */
	uint64_t refused;     /* connections over the limit of their address */
	const char *trouble;  /* why there is no worker now; "" */
	struct ipc_list workers;
};
struct control_status {
	uint32_t pid, generation;
	uint64_t uptime_ms;
	const char *state; /* running stopping */
	bool ready;        /* every service is */
	struct ipc_list services;
};
extern const struct ipc_msg control_status_reply_msg;

/* Reads the configuration again; refused with the reason when it is bad. Answered by done. */
extern const struct ipc_msg control_reload_call_msg;
/* Ends everything. Answered by done before it happens. */
struct control_stop_call {
	bool now;
};
extern const struct ipc_msg control_stop_call_msg;

#endif
