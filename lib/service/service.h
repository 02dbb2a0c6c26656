/*
 * The process frame of every daemon: a program declares a struct service, service_run does the rest:
 * configuration, log, privilege phases, sandbox, event loop, accept, limits, graceful stop, and its line to
 * master. Order of life (design sections 2 and 12, rules 23-25):
 *
 *	arguments, configuration -> start_root (keys, sockets; still root) -> libraries preloaded -> chroot, uid
 *	-> no-new-privs, seccomp -> start_user -> READY to master -> serve ... -> stop
 *
 * Started by master: descriptors come by the control socket. Started by hand with -C DIR -S SERVICE --alone
 * it binds its own sockets and stays in the foreground, for debugging.
 */
#ifndef SERVICE_SERVICE_H
#define SERVICE_SERVICE_H

#include "base/pool.h"
#include "io/io.h"
#include "io/stream.h"
#include "params/params.h"
#include "tls/tls.h"

struct service_ctx;

struct conn {
	struct service_ctx *svc;
	struct pool *pool;          /* the connection's; freed after serve returns */
	struct stream *stream;      /* closed after serve returns, unless taken (set to NULL) */
	int fd;                     /* SERVICE_RAW: instead of stream; closed after serve returns, unless taken (set to -1) */
	struct sockaddr_storage peer, local;
	const char *peer_ip;        /* text; "unix" for Unix sockets */
	int peer_port;
	bool is_unix;
	uid_t peer_uid;             /* Unix sockets only */
	gid_t peer_gid;
	char session[20];           /* session id; it is in the log context already */
	size_t listener;            /* index among the service's listen addresses */
	struct accepted *accepted;  /* the engine's */
};

enum service_flags {
	SERVICE_RAW = 1,     /* serve gets a conn with fd and without stream (ipc services: ipc_serve takes the fd) */
	SERVICE_SINGLE = 2,  /* owns durable state: exactly one worker, and it is never replaced by a second one before it has ended */
	SERVICE_NO_NET = 4,  /* sandbox: no inet sockets at all */
	SERVICE_EXEC = 8,    /* may fork and exec (master's helpers only) */
};

struct service {
	const char *name;   /* program name: binary, log tag, section in thurn.conf */
	unsigned flags;
	/* &tls_server: the certificate is loaded while it is root, for service_tls() and tls_wrap. NULL: a program that
	 * serves no TLS, which is then not linked to the libraries for it (half a megabyte in each process). */
	const struct tls_server *tls;
	const struct conf_row *conf_rows;
	size_t conf_size;
	int (*start_root)(struct service_ctx *svc, const char **err_r); /* each may be NULL */
	int (*start_user)(struct service_ctx *svc, const char **err_r);
	void (*serve)(struct conn *conn);           /* one connection, one fiber */
	void (*serve_fd)(struct service_ctx *svc, int fd); /* instead, with SERVICE_RAW: owns fd */
	/* Only for SERVICE_SINGLE, in a fiber, after config, conf and params have been read anew (what was there
	 * stays valid); others are replaced by new workers. */
	void (*reload)(struct service_ctx *svc);
	/* A stop with a time limit lets everything go on as before while this says true, for half of that time at most: what is
	 * begun and can't go on in the process that comes is to end well. */
	bool (*is_amid)(struct service_ctx *svc);
	/* In a fiber, after the last connection. When time is up before that, only a SERVICE_SINGLE's is called: it
	 * saves what it owns, and takes nothing from under fibers that go on until the process ends. */
	void (*stop)(struct service_ctx *svc);
	const char *over_limit_reply; /* a line for who has connections_per_address already, e.g. "421 4.7.0 ...\r\n" */
	const char *too_busy_reply;   /* a line for who comes when descriptors have run out */
};

int service_run(const struct service *service, int argc, char **argv);

struct service_ctx {
	const struct service *service;
	const char *instance;            /* the service's name in services.conf, e.g. "submission" */
	struct config *config;
	const struct common_conf *common;
	const struct service_conf *conf;
	void *params;                    /* the program's own struct, conf_size bytes */
	void *state;                     /* the program's own */
	struct pool *pool;               /* lives as long as the process */
	unsigned worker;                 /* slot: no other living process of this service has it. Below max_workers
	                                  * except while an older generation ends */
	bool stopping;                   /* graceful stop has begun: finish, take nothing new */
	bool closing;                    /* stopping, and connections are cut soon: say good-bye. A reload lets them be */
};

/* Path of a Unix socket or file in run_dir, from the pool. After chroot such paths do not work: service_connect does. */
const char *service_run_path(struct service_ctx *svc, const char *name);
/* A connection to the Unix socket that some service listens on as unix:NAME; in a chroot master makes it, with this
 * program's uid. Gives up at the deadline, and before it when nobody answers for long. -1 with *err_r, which is valid until
 * the next call of these that fails. */
int service_connect(struct service_ctx *svc, const char *unix_name, int64_t deadline, const char **err_r);
/* The same to the worker of that service that the key prefers, as long as it is there and has room: to the same for the
 * same key. An optimisation, never a guarantee: else whichever takes it. */
int service_connect_by(struct service_ctx *svc, const char *unix_name, uint32_t key, int64_t deadline,
	const char **err_r);
/* The same as a client that connects at need and again; freed by the caller, or never. */
struct ipc_client;
struct ipc_client *service_ipc_client(struct service_ctx *svc, const char *unix_name);

/* The server's certificate and key, read before privilege went; NULL when none is configured, or when the service listens
 * on Unix sockets only. Needs service.tls. (tls_wrap the engine handles by itself: serve gets the stream after its
 * handshake.) */
struct tls_context *service_tls(struct service_ctx *svc);

/* Which of our users (params_users[].name; "root" too) a peer's uid is; NULL: somebody else. When nothing is
 * separated (privilege = none, or not started by root) our own uid is "root". */
const char *service_uid_user(struct service_ctx *svc, uid_t uid);

/* In a long start_root or start_user: it takes long but goes on. */
void service_progress(struct service_ctx *svc);

/* A fresh spool segment from master (design rule 1): read-write descriptor and id. -1 with *err_r, as above, or
 * SERVICE_NO_SPACE when the disk of the queue has none for it. */
#define SERVICE_NO_SPACE (-2)
int service_new_segment(struct service_ctx *svc, uint64_t *id_r, const char **err_r);
/* An empty file without a name on the queue's disk, for what is too large for memory. -1 with *err_r. */
int service_new_temp(struct service_ctx *svc, const char **err_r);

/* Counts of the scoreboard change by themselves; a program that takes a descriptor out of serve calls these. */
void service_conn_hold(struct service_ctx *svc);
void service_conn_release(struct service_ctx *svc);

/* A connection that another service accepted goes on here: it counts in that service's connections_per_address until the
 * release. ip: text; what is no address does not count. */
void service_address_hold(struct service_ctx *svc, const char *service, const char *ip);
void service_address_release(struct service_ctx *svc, const char *service, const char *ip);
/* The other side of it: a connection of our own does not count while somebody else holds its address for it. */
void service_conn_count(struct conn *conn, bool on);

/* Wakes when stopping becomes true, and when closing does, for fibers that wait long. A fiber woken by it that
 * calls service_conn_hold before it waits again keeps the process from ending, also one that was idle. */
struct fiber_cond *service_stop_cond(struct service_ctx *svc);

/* Metrics: counters in the scoreboard's memory, read by `thurn status`. index < SERVICE_COUNTERS. */
#define SERVICE_COUNTERS 16
void service_count(struct service_ctx *svc, unsigned index, uint64_t add);
/* Sets one that is a level, not a count. */
void service_gauge(struct service_ctx *svc, unsigned index, uint64_t value);

#endif
