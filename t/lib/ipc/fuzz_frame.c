/*
 * Hostile bytes on an internal connection: the input goes over a socket pair to a serving fiber whose
 * table knows every type of field, and again as the answer to a client's call. Nothing may crash, hang or leak.
 * An input whose first byte is odd is cut in two writes.
 */
#include <stddef.h>
#include <stdint.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/array.h"
#include "base/log.h"
#include "io/loop.h"
#include "os/os.h"
#include "table.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void echo(struct ipc_server_conn *conn, struct ipc_request *rq, void *body)
{
	ipc_reply(conn, rq, body);
}

static void echo_late(struct ipc_server_conn *conn, struct ipc_request *rq, void *body)
{
	fiber_yield();
	ipc_reply_fds(conn, rq, body, rq->fds, rq->nfds);
}

static const struct ipc_handler handlers[] = {
	{&tree_msg, &tree_msg, echo, true},
	{&branch_msg, &branch_msg, echo_late, false},
	{&leaf_msg, NULL, echo, true},
};

static void serve(void *arg)
{
	ipc_serve(*(int *)arg, handlers, COUNT_OF(handlers), NULL, NULL);
}

static void settle(void)
{
	for (int i = 0; i < 200 && fiber_count(); i++)
		loop_turn(0);
	if (fiber_count())
		log_panic("%u fibers are left.", fiber_count());
}

/* As much as the socket takes; a descriptor goes along. */
static void feed(int fd, const uint8_t *data, size_t size)
{
	size_t half = size && data[0] & 1 ? size / 2 : 0;

	if (half)
		os_send_fds(fd, data, half, &fd, 1);
	loop_turn(0);
	if (size > half)
		os_send_fds(fd, data + half, size - half, &fd, half ? 0 : 1);
	shutdown(fd, SHUT_WR);
}

static void as_server(const uint8_t *data, size_t size)
{
	int pair[2];

	if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0, pair) < 0)
		log_panic("socketpair: %m");
	fiber_start("serve", serve, &pair[0]);
	feed(pair[1], data, size);
	for (int i = 0; i < 8; i++)
		loop_turn(0);
	close(pair[1]);
	settle();
}

static void caller(void *arg)
{
	struct pool *pool = pool_new("fuzz");
	struct tree in = {0}, out;
	const char *err;

	ipc_client_call(arg, pool,
		&(struct ipc_call){.request = &tree_msg, .body = &in, .reply_type = &tree_msg,
			.reply = &out},
		&err);
	pool_free(&pool);
}

static void as_client(const uint8_t *data, size_t size)
{
	struct ipc_client *c;
	int pair[2];

	if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0, pair) < 0)
		log_panic("socketpair: %m");
	c = ipc_client_new_fd(pair[0]);
	fiber_start("caller", caller, c);
	feed(pair[1], data, size);
	for (int i = 0; i < 8; i++)
		loop_turn(0);
	close(pair[1]);
	settle();
	ipc_client_free(&c);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	const char *err;

	if (log_is_on(LOG_LEVEL_WARNING) && log_open("fuzz", "/dev/null", LOG_LEVEL_FATAL, &err) < 0)
		log_panic("%s", err);
	if (size > 60000)
		return 0;
	as_server(data, size);
	as_client(data, size);
	return 0;
}
