/* A server of a few words, and a client's call to it. */
#ifndef T_IPC_SERVER_H
#define T_IPC_SERVER_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/array.h"
#include "io/loop.h"
#include "io/net.h"
#include "table.h"

struct server {
	int listener;
	char path[64];
	unsigned connections, calls, gone;
	int cuts; /* so many calls of "cut" break their connection */
	bool stop, hold; /* hold: "last" gets no answer yet */
	struct ipc_server_conn *parked_conn;
	struct ipc_request *parked;
};

struct session {
	struct server *s;
	int fd;
};

/* Answers with the weight doubled; weight is also how many ms it takes. */
static void serve_leaf(struct ipc_server_conn *conn, struct ipc_request *rq, void *body)
{
	struct session *one = ipc_conn_arg(conn);
	struct server *s = one->s;
	struct leaf *leaf = body;

	s->calls++;
	if (strcmp(leaf->word, "cut") == 0 && s->cuts-- > 0) {
		shutdown(one->fd, SHUT_RDWR);
		return;
	}
	if (strcmp(leaf->word, "last") == 0)
		shutdown(one->fd, SHUT_RD);
	while (s->hold && strcmp(leaf->word, "last") == 0)
		io_sleep(1);
	if (strcmp(leaf->word, "refuse") == 0) {
		ipc_refuse(conn, rq, "Not today.");
		return;
	}
	if (strcmp(leaf->word, "later") == 0) {
		s->parked_conn = conn;
		s->parked = rq;
		return;
	}
	if (leaf->weight)
		io_sleep(leaf->weight);
	leaf->weight *= 2;
	ipc_reply_fds(conn, rq, leaf, rq->fds, rq->nfds);
}

static void serve_branch(struct ipc_server_conn *conn, struct ipc_request *rq, void *body)
{
	struct session *one = ipc_conn_arg(conn);

	one->s->calls++;
	ipc_reply(conn, rq, body);
}

static const struct ipc_handler handlers[] = {
	{&leaf_msg, &leaf_msg, serve_leaf, false},
	{&branch_msg, &branch_msg, serve_branch, true},
};

static void gone(struct ipc_server_conn *conn)
{
	struct session *one = ipc_conn_arg(conn);

	one->s->gone++;
}

static void serve_one(void *arg)
{
	struct session *one = arg;
	ipc_serve(one->fd, handlers, COUNT_OF(handlers), one, gone);
	free(one);
}

static void accept_loop(void *arg)
{
	struct server *s = arg;
	struct sockaddr_storage peer;
	socklen_t len;

	while (!s->stop) {
		struct session *one = malloc(sizeof(*one));
		one->s = s;
		one->fd = io_accept(s->listener, &peer, &len, IO_FOREVER);
		if (one->fd < 0) {
			free(one);
			break;
		}
		s->connections++;
		fiber_start("serve", serve_one, one);
	}
}

static void server_start(struct server *s)
{
	struct net_addr addr;
	const char *err;
	char text[80];

	snprintf(s->path, sizeof(s->path), "/tmp/ipc-test-%d", (int)getpid());
	snprintf(text, sizeof(text), "unix:%s", s->path);
	assert_int_equal(net_parse(text, &addr, &err), 0);
	s->listener = net_listen(&addr, 10, 0600, &err);
	assert_true(s->listener >= 0);
	fiber_start("accept", accept_loop, s);
}

static void server_stop(struct server *s, struct ipc_client **c)
{
	ipc_client_free(c);
	s->stop = true;
	io_close(&s->listener);
	unlink(s->path);
	for (int i = 0; i < 1000 && fiber_count(); i++)
		loop_turn(1);
	assert_int_equal(fiber_count(), 0);
}

static inline int call(struct ipc_client *c, struct pool *pool, const char *word, uint32_t weight,
	int64_t ms, struct leaf *out, const char **err)
{
	struct leaf in = {word, weight};
	return ipc_client_call(c, pool,
		&(struct ipc_call){.request = &leaf_msg, .body = &in, .reply_type = &leaf_msg,
			.reply = out, .deadline = io_deadline(ms)},
		err);
}

#endif
