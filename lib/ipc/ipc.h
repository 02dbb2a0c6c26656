/*
 * The one message format of all internal sockets. A frame is
 *	u32 length of what follows, u16 message type, u16 flags, u32 call id, payload
 * little endian. Payloads are declared in tables: a struct, its fields in order; encode and decode are
 * derived, bounds-checked and fuzzed once for all. Type 0xffff is the error reply (a sentence).
 *
 * A caller numbers its calls (id > 0) and may have many under way on one connection; a reply
 * carries the id back. id 0 is a notice that has no reply.
 */
#ifndef IPC_IPC_H
#define IPC_IPC_H

#include <stdbool.h>
#include <stdint.h>

#include "base/pool.h"
#include "base/str.h"
#include "io/io.h"

#define IPC_FRAME_MAX (16 * 1024 * 1024)
#define IPC_ITEMS_MAX 100000 /* elements of one list */
#define IPC_ITEMS_TOTAL_MAX 400000 /* elements of all lists of a payload */
#define IPC_DEPTH_MAX 8 /* lists in lists */
#define IPC_FDS_MAX 4   /* descriptors with one frame */

enum ipc_type {
	IPC_END,
	IPC_U32,  /* uint32_t */
	IPC_U64,  /* uint64_t or int64_t */
	IPC_BOOL, /* bool */
	IPC_STR,  /* const char *, no NUL inside; NULL is sent as empty and received as "" */
	IPC_BLOB, /* struct span */
	IPC_LIST, /* sub: struct ipc_list, elements of sub's struct */
};

struct ipc_list {
	void *v;
	size_t n;
};

struct ipc_field {
	enum ipc_type type;
	const char *name;
	size_t offset;
	const struct ipc_msg *sub;
};

struct ipc_msg {
	uint16_t type; /* unique over all tables; the ranges are in ipc/types.h */
	const char *name;
	size_t size;
	const struct ipc_field *fields; /* ends with IPC_END; one field at least for elements of lists */
};

/* A row of a message's table; IPC_STRUCT is defined as the struct's tag, as with CONF_ROW:
 *	#define IPC_STRUCT lookup
 *	static const struct ipc_field lookup_fields[] = {
 *		IPC_ROW(STR, address),
 *		IPC_ROW_LIST(aliases, &alias_msg),
 *		IPC_ROWS_END
 *	};
 *	#undef IPC_STRUCT
 */
#define IPC_ROW(TYPE, field)                                                                       \
	{                                                                                          \
		.type = IPC_##TYPE, .name = #field, .offset = offsetof(struct IPC_STRUCT, field)   \
	}
#define IPC_ROW_LIST(field, element)                                                               \
	{                                                                                          \
		.type = IPC_LIST, .name = #field, .offset = offsetof(struct IPC_STRUCT, field),    \
		.sub = element                                                                     \
	}
#define IPC_ROWS_END                                                                               \
	{                                                                                          \
		.type = IPC_END                                                                    \
	}

/* For an element of a list, or a payload by itself. */
void ipc_put(struct str *out, const struct ipc_msg *msg, const void *from);
/* Strings and spans are copied into the pool. -1 with *err_r; trailing bytes are an error. */
int ipc_parse(struct pool *pool, const struct ipc_msg *msg, struct span payload, void *to,
	const char **err_r);

/* --- a connection, either side --- */

struct ipc;

struct ipc *ipc_new(int fd); /* owns a connected Unix stream socket */
/* What is buffered and fits is still sent; calls under way fail. */
void ipc_close(struct ipc **ipc);
bool ipc_is_open(const struct ipc *ipc);
int ipc_peer_uid(const struct ipc *ipc);

struct ipc_frame {
	uint16_t type;
	uint32_t id;
	struct span payload; /* valid until the next receive, or in the handler */
	int fds[IPC_FDS_MAX]; /* received descriptors; the receiver closes what it does not keep (and sets -1) */
	size_t nfds;
};

/* Buffered and sent in order soon, many frames with one write; -1 once the connection is gone, and when the frame is
 * longer than IPC_FRAME_MAX. A peer that leaves more than IPC_OUT_MAX unread loses its connection. fds are borrowed. */
#define IPC_OUT_MAX (2 * IPC_FRAME_MAX)
int ipc_send(struct ipc *ipc, const struct ipc_msg *msg, uint32_t id, const void *body,
	const int *fds, size_t nfds);
int ipc_send_error(struct ipc *ipc, uint32_t id, const char *sentence);
/* Writes at once what the peer takes without a wait: then it has come before whatever is sent to anybody from now on. */
void ipc_push(struct ipc *ipc);
/* Waits until all of it is sent. 0, -1 or IO_TIMEOUT. */
int ipc_flush(struct ipc *ipc, int64_t deadline);
/* The same for every connection of this thread, before a process ends. */
void ipc_flush_all(int64_t deadline);
/* The next frame: 1, 0 at the end, -1 broken (logged) or IO_TIMEOUT. Only one fiber receives. Descriptors left in the
 * frame before are the caller's: ipc_frame_close drops them. */
int ipc_receive(struct ipc *ipc, struct ipc_frame *frame_r, int64_t deadline);
void ipc_frame_close(struct ipc_frame *frame);

/* --- calling --- */

/* A client keeps one connection to path, opened at need and again after it broke. Safe for many fibers at once; outside
 * fibers it blocks. */
struct ipc_client;
struct ipc_client *ipc_client_new(const char *path);
/* The connector returns a connected descriptor or -1; it may wait. For programs whose chroot hides the path. */
struct ipc_client *ipc_client_new_connector(int (*connect)(void *arg), void *arg);
/* What error sentences call the other side; path does by itself. */
void ipc_client_set_name(struct ipc_client *c, const char *name);
/* On a socket that is connected already; when it breaks every further call fails. */
struct ipc_client *ipc_client_new_fd(int fd);
/* Calls under way fail. */
void ipc_client_free(struct ipc_client **c);
/* Frames that are no replies (notices from the server) go here; runs in the reading fiber and must not wait. */
void ipc_client_on_notice(struct ipc_client *c, void (*fn)(void *arg, struct ipc_frame *frame), void *arg);
/* Called in the reading fiber each time the connection has ended. */
void ipc_client_on_end(struct ipc_client *c, void (*fn)(void *arg), void *arg);
/* Something has come, a notice perhaps, that the reading fiber has not got to yet; or the end. */
bool ipc_client_has_input(const struct ipc_client *c);
/* Connects now, so that notices can arrive: 0, or -1 with *err_r. */
int ipc_client_open(struct ipc_client *c, struct pool *pool, int64_t deadline, const char **err_r);

/* 0 with *reply filled from the pool; IPC_REFUSED with *err_r the server's sentence; -1 with *err_r when
 * there was no answer (no connection, deadline). fds may be NULL; received ones go to fds_r/nfds_r when not NULL. A call
 * that certainly did not reach the server (it was closing) is sent again on a new connection by itself. */
#define IPC_REFUSED 1
struct ipc_call {
	const struct ipc_msg *request;
	const void *body;
	const int *fds;
	size_t nfds;
	const struct ipc_msg *reply_type;
	void *reply;
	int *fds_r; /* room for 4 */
	size_t *nfds_r;
	int64_t deadline; /* 0: IPC_CALL_MS from now */
	bool repeat;      /* harmless to do twice: sent again also when it may have reached the server */
};
#define IPC_CALL_MS 30000
int ipc_client_call(struct ipc_client *c, struct pool *pool, const struct ipc_call *call,
	const char **err_r);
/* A notice: queued and sent by and by; -1 when there is no connection now (it is not kept). */
int ipc_client_notify(struct ipc_client *c, const struct ipc_msg *msg, const void *body,
	const int *fds, size_t nfds);

/* --- serving --- */

struct ipc_server_conn;
struct ipc_request;
/* Answers with ipc_reply/ipc_refuse exactly once for a call (id > 0), now or later; rq, its pool and the decoded body live
 * until handler and answer are both done. For a notice (id 0) they end with the handler. */
typedef void (*ipc_handler_fn)(struct ipc_server_conn *conn, struct ipc_request *rq, void *body);

struct ipc_request {
	struct pool *pool;
	uint32_t id;
	int *fds; /* received; what the handler keeps it sets to -1, the rest is closed with the request */
	size_t nfds;
};

struct ipc_handler {
	const struct ipc_msg *msg;
	const struct ipc_msg *reply; /* NULL: a notice */
	ipc_handler_fn run;
	bool inline_; /* runs in the reading fiber and must not wait; else a fiber of its own, at most IPC_CALLS_MAX at once */
};
#define IPC_CALLS_MAX 256

/* Serves until the peer leaves; owns fd; runs in the connection's fiber. At the end it waits for the handlers that still
 * run, then calls gone(conn) (may be NULL); calls that nobody has answered by then are forgotten, and conn is freed. */
void ipc_serve(int fd, const struct ipc_handler *handlers, size_t n, void *arg,
	void (*gone)(struct ipc_server_conn *conn));
/* The same in two steps, for who sends notices before the first message has come: run frees conn. */
struct ipc_server_conn *ipc_server_new(int fd, const struct ipc_handler *handlers, size_t n, void *arg,
	void (*gone)(struct ipc_server_conn *conn));
void ipc_server_run(struct ipc_server_conn *conn);
void *ipc_conn_arg(struct ipc_server_conn *conn);   /* the arg of ipc_serve */
void ipc_conn_set_data(struct ipc_server_conn *conn, void *data); /* per connection */
void *ipc_conn_data(struct ipc_server_conn *conn);
struct ipc *ipc_conn_ipc(struct ipc_server_conn *conn); /* to send notices */
void ipc_reply(struct ipc_server_conn *conn, const struct ipc_request *rq, const void *body);
void ipc_reply_fds(struct ipc_server_conn *conn, const struct ipc_request *rq, const void *body,
	const int *fds, size_t nfds);
void ipc_refuse(struct ipc_server_conn *conn, const struct ipc_request *rq, const char *sentence);

/* Graceful stop: every connection of this thread that ipc_serve serves, now or from now on, reads what has been sent and
 * answers it, then ends. Clients see that nothing later was received and repeat it elsewhere. */
void ipc_server_drain(void);
/* For a process that becomes another program and keeps the descriptor: what was received is answered, what was said is
 * sent, and no frame is half read or half written. The second: so it is with every connection that this thread serves. */
bool ipc_conn_is_idle(const struct ipc_server_conn *conn);
bool ipc_server_is_idle(void);

#endif
