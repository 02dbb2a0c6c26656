/*
 * master: the only program that runs as root. One thread, parses no protocol.
 *
 * Trust: reads the configuration (root's) and the frames of its own workers and of operators (bounded, by
 *	tables); believes no number in the scoreboard further than counting goes.
 * Owns: listening sockets, the processes, the pid file, the ids of spool segments.
 * Talks: to each worker over its control socket, to operators over run_dir/master, to systemd.
 */
#ifndef MASTER_MASTER_H
#define MASTER_MASTER_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "base/array.h"
#include "base/list.h"
#include "io/loop.h"
#include "ipc/ipc.h"
#include "params/master.h"
#include "params/params.h"
#include "service/scoreboard.h"

struct master;
struct supplied;
struct child;

/* --- sockets.c: listening sockets, kept by address over reloads and upgrades --- */

struct listening {
	struct list link; /* in master.listening */
	char *address;    /* of io/net.h */
	int fd;
	bool wanted;      /* by the configuration being loaded */
	bool fresh;       /* bound for it */
	struct loop_watch *watch; /* demand.c: of a service without workers */
};

/* Binds what the services of the plan need and is not bound yet: all or nothing. */
struct plan;
int sockets_prepare(struct master *m, struct plan *plan, const char **err_r);
/* Closes what the plan needs no longer; or, when it was not carried out, what was bound for it. */
void sockets_commit(struct master *m);
void sockets_cancel(struct master *m);
/* Those of one service, which is to have no more processes. */
struct planned;
void sockets_close_of(struct planned *p);
/* Who connects starts no process any more. */
void sockets_ignore(struct master *m);
void sockets_close_all(struct master *m);
/* Makes one known that came from the master before an upgrade. */
void sockets_adopt(struct master *m, const char *address, int fd);

/* --- plan.c: what a configuration asks for --- */

struct planned {
	const char *name;
	struct service_conf conf;
	uid_t uid;
	gid_t gid;
	struct listening **sockets;
	size_t n_sockets;
};

struct plan {
	struct config *config;
	struct master_conf conf;
	struct planned *services;
	size_t n;
	gid_t group; /* the programs' common group: of Unix sockets */
	uid_t queue_uid, admin_uid;
	gid_t queue_gid;
};

/* Read and checked whole. -1 with *err_r (the thread's). */
int plan_read(const char *config_dir, struct plan **plan_r, const char **err_r);
void plan_free(struct plan **plan);

/* --- layout.c --- */

/* Creates the folders of the instance with their owners and modes. */
int layout_create(struct config *config, const char **err_r);

/* --- supply.c: a service and how many workers it has --- */

enum kind {
	KIND_UNKNOWN, /* no worker has been ready yet: treated with the caution of KIND_SINGLE */
	KIND_MANY,
	KIND_SINGLE,
};

struct supplied {
	struct list link; /* in master.services */
	struct master *master;
	char *name, *program;
	const struct planned *planned; /* of the plan in force; NULL: no longer configured, ends with its workers */
	enum kind kind;
	unsigned generation; /* of workers to be started now */
	unsigned target;     /* how many */
	struct list children;
	unsigned failures;   /* ends unasked in a row */
	int64_t retry_at;    /* no start before */
	struct loop_timer *retry;
	int64_t spare_since; /* a worker fewer would do; 0: no */
	uint64_t restarts, refused;
	const char *trouble; /* of the last worker; "" */
};

struct supplied *supply_find(struct master *m, const char *name);
struct supplied *supply_new(struct master *m, const char *name);
/* Starts what is missing, as far as the back-off allows. */
void supply(struct supplied *s);
void supply_all(struct master *m);
/* A worker ended unasked: the next start waits; not for long if this one had got ready. */
void supply_failed(struct supplied *s, bool was_ready, bool was_stable);
/* A worker of the current generation serves: older ones may go. */
void supply_retire_old(struct supplied *s);
/* A worker is full: one more, when all are. */
void supply_grow(struct supplied *s);
/* The service is over when its last worker has ended. */
void supply_forget_if_done(struct supplied **s);
bool supply_is_ready(const struct supplied *s);

/* --- demand.c: services with min_workers = 0 have no process until somebody connects --- */

/* Waits for a connection to the service. */
void demand_watch(struct supplied *s);
void demand_unwatch(struct supplied *s);
/* Before sockets and services are matched anew. */
void demand_forget_all(struct master *m);
void supply_watch_spare(struct master *m);

/* --- child.c: the life of a process --- */

enum child_state {
	CH_STARTING,
	CH_READY,
	CH_RETIRING, /* finishes what it has, however long */
	CH_STOPPING, /* within a deadline */
	CH_NSTATE,
};

enum child_event {
	EV_READY,   /* it serves */
	EV_RELOAD,  /* read the configuration again (KIND_SINGLE) */
	EV_RETIRE,  /* there is a newer one, or too many */
	EV_STOP,    /* end soon */
	EV_OVERDUE, /* its timer */
	EV_EXIT,    /* the process has ended */
	EV_NEVENT,
};

struct child {
	struct list link; /* in supplied.children */
	struct supplied *service;
	pid_t pid;
	enum child_state state;
	unsigned slot, row, generation;
	bool has_row;
	bool reload_again; /* the configuration changed while it started */
	int status;        /* of waitpid */
	int64_t started, ready; /* clock_mono_ms; ready 0: never */
	struct loop_timer *timer;
	struct ipc_server_conn *line; /* NULL: it has hung up */
	struct list takings; /* pick.c: connections on their way to it */
	uint32_t taking_id;
	bool silent;         /* it has not taken one in time, and none since */
};

const char *child_state_name(enum child_state state);
void child_event(struct child *c, enum child_event ev);
struct child *child_new(struct supplied *s, pid_t pid, int line_fd);
void child_progress(struct child *c);
/* Their log goes on in our file. */
void children_move_log(struct master *m);
/* After SIGCHLD. */
void children_reap(struct master *m);
unsigned children_count(const struct master *m);

/* --- pick.c --- */

/* A connection to the ready worker of the service on that address that the key prefers, which has its end already and
 * believes that uid:gid connects. -1: none can take it now. Waits: in a fiber. */
int pick_connect(struct master *m, const char *address, uint32_t key, uid_t uid, gid_t gid);
/* It has said so. */
void pick_taken(struct child *c, uint32_t id);
/* It has ended, or hung up: others get what it has not taken. */
void pick_forget(struct child *c);

/* --- spawn.c --- */

/* Starts a process for the service; NULL when that is not possible now. */
struct child *spawn(struct supplied *s);
/* Forgets the environment but for what processes need. */
void spawn_clean_environment(void);

/* --- line.c, operator.c: frames --- */

struct ipc_server_conn *line_open(struct child *c, int fd);
void line_forget(struct child *c); /* the child goes, the line's fiber ends by itself */
int line_fd_of(struct child *c);
bool line_is_idle(const struct child *c); /* no question unanswered, no frame half read or half written */
int operator_open(struct master *m, const char **err_r);
void operator_close(struct master *m);

/* --- reload.c, stop.c, upgrade.c --- */

/* Loads the configuration anew; a bad one changes nothing. -1 with *err_r (the thread's). */
int master_reload(struct master *m, const char **err_r);
/* The log file by its name, after rotation: ours, and everybody's. */
void master_reopen_log(struct master *m);
/* Carries the plan out; the first time too. fresh_binary: also KIND_SINGLE workers are replaced. */
void master_carry_out(struct master *m, struct plan *plan, bool fresh_binary);

void master_stop(struct master *m, bool now);
/* The next step, after a process has ended. */
void master_stop_step(struct master *m);

/* Becomes the new binary, with sockets and workers, as soon as no question is under way. Returns at once. */
void master_upgrade(struct master *m);
/* Whether this binary understands what one of that format leaves. */
bool upgrade_reads(const char *format);
/* This process was another master before. */
bool upgrade_is_under_way(void);
/* In the new binary: takes over what the old one left; false when there is none. */
bool upgrade_adopt(struct master *m);

struct master {
	const char *config_dir;
	struct plan *plan; /* in force */
	unsigned generation;
	int64_t started;   /* clock_mono_ms */
	struct list services, listening;
	struct scoreboard *sb;
	int sb_fd;
	bool *rows_used;   /* SCOREBOARD_ROWS */
	struct segment_source *segments;
	int pid_fd;
	int operator_fd;
	struct loop_watch *operator_watch;
	struct loop_timer *spare_timer, *ready_timer, *watchdog;
	int64_t watchdog_ms;
	bool announced; /* READY=1 */
	bool upgrading; /* quiet is awaited */
	bool stopping;
	bool stop_now;
};

/* Tells systemd once every service is ready. */
void master_announce(struct master *m);

#endif
