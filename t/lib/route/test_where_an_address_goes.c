/* route_address against a directory that answers as the row says. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/array.h"
#include "io/fiber.h"
#include "route/route.h"

static const struct dir_target two_targets[] = {{"a@x.test"}, {"b@y.test"}};

static const struct row {
	const char *about;
	struct dir_resolve_reply says;
	const char *domain, *smart_host;
	enum route_kind kind;
	const char *agent, *account, *destination, *status;
} rows[] = {
	{"a user", {.status = DIR_ACCOUNT, .account = "acc1", .canonical = "u@x.test", .quota_bytes = 7},
		"x.test", "", ROUTE_LOCAL, "local", "acc1", "", ""},
	{"an alias", {.status = DIR_ALIAS, .targets = {(void *)(uintptr_t)two_targets, 2}}, "x.test", "",
		ROUTE_ALIAS, "", "", "", ""},
	{"an alias that means the user too",
		{.status = DIR_ALIAS,
			.account = "acc2",
			.targets = {(void *)(uintptr_t)two_targets, 2}},
		"x.test", "", ROUTE_ALIAS, "", "acc2", "", ""},
	{"another host", {.status = DIR_NOT_LOCAL}, "far.test", "", ROUTE_REMOTE, "smtp", "", "far.test", ""},
	{"by a smart host", {.status = DIR_NOT_LOCAL}, "far.test", " [192.0.2.1]:26, [192.0.2.2]",
		ROUTE_REMOTE, "smtp", "", "[192.0.2.1]:26", ""},
	{"nowhere", {.status = DIR_NOT_LOCAL}, "", "", ROUTE_REFUSED, "", "", "", "5.1.3"},
	{"nobody", {.status = DIR_UNKNOWN}, "x.test", "", ROUTE_REFUSED, "", "", "", "5.1.1"},
	{"a disabled user", {.status = DIR_DISABLED, .account = "acc3"}, "x.test", "", ROUTE_REFUSED, "",
		"", "", "5.2.1"},
	{"not known now", {.status = DIR_TEMPFAIL}, "x.test", "", ROUTE_TEMPFAIL, "", "", "", "4."},
};

static void answer(struct ipc_server_conn *conn, struct ipc_request *rq, void *body)
{
	const struct dir_resolve_request *asked = body;
	const struct row *row = ipc_conn_arg(conn);
	assert_string_equal(asked->local, "u");
	assert_string_equal(asked->domain, row->domain);
	ipc_reply(conn, rq, &row->says);
}

static const struct ipc_handler handlers[] = {
	{&dir_resolve_request_msg, &dir_resolve_reply_msg, answer, true},
};

struct server {
	int fd;
	const struct row *row;
};

static void serve(void *arg)
{
	struct server *s = arg;
	ipc_serve(s->fd, handlers, COUNT_OF(handlers), (void *)(uintptr_t)s->row, NULL);
}

static void each_answer_has_its_route(void **state)
{
	(void)state;
	for (size_t i = 0; i < COUNT_OF(rows); i++) {
		const struct row *row = &rows[i];
		struct pool *pool = pool_new("test");
		struct route route;
		int pair[2];
		assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0, pair), 0);
		struct server server = {pair[1], row};
		struct ipc_client *client = ipc_client_new_fd(pair[0]);
		fiber_start("directory", serve, &server);
		route_address(client, pool, "u", row->domain, row->smart_host, &route);
		if (route.kind != row->kind)
			fail_msg("%s: kind %d", row->about, route.kind);
		assert_string_equal(route.agent, row->agent);
		assert_string_equal(route.account, row->account);
		assert_string_equal(route.destination, row->destination);
		assert_int_equal(strncmp(route.status, row->status, strlen(row->status)), 0);
		assert_int_equal(route.targets.n, row->says.targets.n);
		assert_int_equal(route.quota_bytes, row->says.quota_bytes);
		ipc_client_free(&client);
		for (int turns = 0; fiber_count() && turns < 100; turns++)
			io_sleep(1);
		assert_int_equal(fiber_count(), 0);
		pool_free(&pool);
	}
}

/* Nothing is bounced because the directory is away. */
static void no_directory_is_a_temporary_error(void **state)
{
	struct pool *pool = pool_new("test");
	struct ipc_client *client = ipc_client_new("/nonexistent/directory");
	struct route route;
	(void)state;
	route_address(client, pool, "u", "x.test", "", &route);
	assert_int_equal(route.kind, ROUTE_TEMPFAIL);
	ipc_client_free(&client);
	pool_free(&pool);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(each_answer_has_its_route),
		cmocka_unit_test(no_directory_is_a_temporary_error),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
