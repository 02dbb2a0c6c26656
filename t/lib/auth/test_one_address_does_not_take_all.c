/* Questions about logins wait for those of the same address, and for no others. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <sys/socket.h>

#include "auth/auth.h"
#include "auth/turns.h"
#include "base/array.h"

#define CLIENTS (3 * AUTH_ADDRESS_MAX + 1)

/* A directory that answers when it is told to. */
struct directory {
	int fd;
	struct ipc_client *client;
	struct ipc_server_conn *conn;
	struct ipc_request *asked[CLIENTS + 1];
	const char *names[CLIENTS + 1];
	unsigned n, answered;
};

static void run_start(struct ipc_server_conn *conn, struct ipc_request *rq, void *body)
{
	const struct dir_auth_start *start = body;
	struct directory *d = ipc_conn_arg(conn);
	d->conn = conn;
	d->names[d->n] = start->remote_ip;
	d->asked[d->n++] = rq;
}

static const struct ipc_handler handlers[] = {
	{&dir_auth_start_msg, &dir_auth_reply_msg, run_start, true},
};

static void serve(void *arg)
{
	struct directory *d = arg;
	ipc_serve(d->fd, handlers, COUNT_OF(handlers), d, NULL);
}

static void start(struct directory *d)
{
	int pair[2];
	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0, pair), 0);
	d->fd = pair[1];
	fiber_start("directory", serve, d);
	d->client = ipc_client_new_fd(pair[0]);
}

static void answer(struct directory *d, enum auth_state state, uint64_t delay_ms)
{
	struct dir_auth_reply reply = {.state = state, .delay_ms = delay_ms, .user = "", .account = "", .text = ""};
	ipc_reply(d->conn, d->asked[d->answered++], &reply);
}

struct client {
	struct directory *directory;
	const char *ip;
	bool done;
	enum auth_state state;
};

static void log_in(void *arg)
{
	struct client *c = arg;
	struct pool *pool = pool_new("client");
	struct dir_auth_reply reply;
	struct auth_request rq = {.mechanism = "PLAIN", .service = "imap", .remote_ip = c->ip};
	c->state = auth_password(c->directory->client, pool, &rq, "joe", "secret", &reply);
	pool_free(&pool);
	c->done = true;
}

/* Until nothing moves any more. */
static void settle(void)
{
	for (int i = 0; i < 20; i++)
		io_sleep(1);
}

static void end(struct directory *d)
{
	ipc_client_free(&d->client);
	for (int turns = 0; fiber_count() && turns < 1000; turns++)
		io_sleep(1);
	assert_int_equal(fiber_count(), 0);
}

static void so_many_at_once_and_the_others_pass(void **state)
{
	struct directory d = {0};
	struct client clients[CLIENTS], other = {.directory = &d, .ip = "192.0.2.2"};
	(void)state;
	start(&d);
	for (size_t i = 0; i < CLIENTS; i++) {
		clients[i] = (struct client){.directory = &d, .ip = "192.0.2.1"};
		fiber_start("client", log_in, &clients[i]);
	}
	settle();
	assert_int_equal(d.n, AUTH_ADDRESS_MAX);
	fiber_start("other", log_in, &other);
	settle();
	assert_int_equal(d.n, AUTH_ADDRESS_MAX + 1);
	assert_string_equal(d.names[AUTH_ADDRESS_MAX], "192.0.2.2");
	while (d.answered < CLIENTS + 1) {
		unsigned before = d.n;
		answer(&d, d.answered % 2 ? AUTH_OK : AUTH_FAILED, 0);
		settle();
		assert_true(d.n <= before + 1);
	}
	assert_true(other.done);
	for (size_t i = 0; i < CLIENTS; i++)
		assert_true(clients[i].done);
	end(&d);
}

/* Who has failed waits without a turn: others behind the same router get in. */
static void the_delay_of_a_failure_holds_up_nobody(void **state)
{
	struct directory d = {0};
	struct client clients[AUTH_ADDRESS_MAX + 1];
	(void)state;
	start(&d);
	for (size_t i = 0; i < COUNT_OF(clients); i++) {
		clients[i] = (struct client){.directory = &d, .ip = "2001:db8::1"};
		fiber_start("client", log_in, &clients[i]);
	}
	settle();
	for (size_t i = 0; i < AUTH_ADDRESS_MAX; i++)
		answer(&d, AUTH_FAILED, 2000);
	settle();
	assert_int_equal(d.n, AUTH_ADDRESS_MAX + 1);
	answer(&d, AUTH_OK, 0);
	settle();
	assert_true(clients[AUTH_ADDRESS_MAX].done);
	assert_int_equal(clients[AUTH_ADDRESS_MAX].state, AUTH_OK);
	for (int turns = 0; !clients[0].done && turns < 10000; turns++)
		io_sleep(1);
	end(&d);
}

static void a_turn_that_does_not_come_is_given_up(void **state)
{
	struct auth_turn *turns[AUTH_ADDRESS_MAX], *more, *other;
	(void)state;
	for (size_t i = 0; i < COUNT_OF(turns); i++)
		assert_int_equal(auth_turn_take("2001:db8::1", io_deadline(1000), &turns[i]), 0);
	assert_int_equal(auth_turn_take("2001:db8::2", io_deadline(10), &more), -1); /* the same network */
	assert_null(more);
	assert_int_equal(auth_turn_take("2001:db8:0:1::1", io_deadline(10), &other), 0);
	auth_turn_give(&other);
	auth_turn_give(&turns[0]);
	assert_int_equal(auth_turn_take("2001:db8::2", io_deadline(10), &turns[0]), 0);
	for (size_t i = 0; i < COUNT_OF(turns); i++)
		auth_turn_give(&turns[i]);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(so_many_at_once_and_the_others_pass),
		cmocka_unit_test(the_delay_of_a_failure_holds_up_nobody),
		cmocka_unit_test(a_turn_that_does_not_come_is_given_up),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
