/* What the engine's files share: service_ctx as programs see it, and the rest. */
#ifndef SERVICE_ENGINE_H
#define SERVICE_ENGINE_H

#include "base/array.h"
#include "io/loop.h"
#include "ipc/ipc.h"
#include "service/scoreboard.h"
#include "service/service.h"

struct engine;

struct listener {
	struct engine *engine;
	size_t index;
	int fd;
	struct loop_watch *watch; /* NULL: not watched now */
	bool is_unix;
};

enum phase { PHASE_ROOT, PHASE_USER, PHASE_SERVING };

struct engine {
	struct service_ctx ctx;
	enum phase phase;
	bool alone;    /* no master */
	bool chrooted;
	bool finishing; /* the last fiber runs */
	int64_t lingering; /* a stop waits for what is begun: until when; 0: none has */
	int64_t stop_by;   /* its end */
	unsigned listener_count;
	struct listener *listeners;
	struct scoreboard *sb;
	unsigned row_number, generation;
	struct scoreboard_row *row;
	struct ipc_client *master; /* NULL when alone */
	char *refusal; /* why master, or a connection, was not to be had last */
	struct segment_source *segments; /* alone only */
	unsigned connections;
	unsigned peak;		/* of connections, since memory was given back last */
	struct loop_timer *quiet_timer; /* until that is tried */
	unsigned sequence; /* of session ids */
	int reserve_fd;    /* given up to refuse a connection when descriptors have run out */
	struct loop_timer *pause_timer; /* until accepting is tried again */
	int64_t said_out_at; /* of descriptors */
	struct tls_context *tls;
	struct fiber_cond stop_cond;
	struct loop_timer *stop_timer;
	uid_t *user_uids; /* by params_users' index */
	bool separated;   /* our users have uids of their own */
};

static inline struct engine *engine_of(struct service_ctx *ctx)
{
	return container_of(ctx, struct engine, ctx);
}

/* accept.c */
void accept_start(struct engine *e);
void accept_stop(struct engine *e); /* closes the listening sockets */
/* A connection that master chose this worker for; true: fd is ours. */
bool accept_take(struct engine *e, int fd, uid_t uid, gid_t gid);

/* run.c: ms < 0: however long it takes. */
void engine_stop(struct engine *e, int64_t ms);
void engine_finish_if_idle(struct engine *e);

/* reload.c: runs in a fiber. */
void engine_reload(void *engine);

/* line.c: the control socket. */
void line_open(struct engine *e);
void line_ready(struct engine *e);
void line_full(struct engine *e);

/* crowd.c: after connections has changed. */
void crowd_grew(struct engine *e);
void crowd_shrank(struct engine *e);

/* users.c: while still root, and afterwards. */
void users_learn(struct engine *e);

/* alone.c */
int alone_start(struct engine *e, const char **err_r);

/* sandbox.c: no way back. Says nothing and does nothing in sanitizer builds. */
void sandbox_enter(unsigned flags);

#endif
