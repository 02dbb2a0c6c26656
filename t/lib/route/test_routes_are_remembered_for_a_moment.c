/* route_cached against a directory that counts how often it is asked. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/array.h"
#include "io/fiber.h"
#include "route/cache.h"

struct directory {
	int fd;
	struct ipc_server_conn *conn;
	unsigned asked;
	bool changes; /* while it is asked */
};

static const struct dir_target target[] = {{"a@x.test"}};

/* The domain says what the answer is to be. */
static void answer(struct ipc_server_conn *conn, struct ipc_request *rq, void *body)
{
	const struct dir_resolve_request *asked = body;
	struct directory *d = ipc_conn_arg(conn);
	struct dir_resolve_reply r = {.status = DIR_NOT_LOCAL, .account = "", .canonical = ""};
	d->asked++;
	if (strcmp(asked->domain, "user.test") == 0 || strcmp(asked->domain, "full.test") == 0)
		r = (struct dir_resolve_reply){.status = DIR_ACCOUNT,
			.account = "a7",
			.canonical = "u@user.test",
			.quota_bytes = 9,
			.over_quota = *asked->domain == 'f'};
	if (strcmp(asked->domain, "alias.test") == 0)
		r = (struct dir_resolve_reply){.status = DIR_ALIAS,
			.account = "",
			.canonical = "",
			.targets = {(void *)(uintptr_t)target, 1}};
	if (strcmp(asked->domain, "none.test") == 0)
		r.status = DIR_UNKNOWN;
	if (d->changes) {
		struct dir_changed changed = {.count = 1, .account = ""};
		ipc_send(ipc_conn_ipc(conn), &dir_changed_msg, 0, &changed, NULL, 0);
	}
	ipc_reply(conn, rq, &r);
}

static const struct ipc_handler handlers[] = {
	{&dir_resolve_request_msg, &dir_resolve_reply_msg, answer, true},
};

static void serve(void *arg)
{
	struct directory *d = arg;
	d->conn = ipc_server_new(d->fd, handlers, COUNT_OF(handlers), d, NULL);
	ipc_server_run(d->conn);
	d->conn = NULL;
}

struct fixture {
	struct directory directory;
	struct ipc_client *client;
	struct route_cache *cache;
	struct pool *pool;
};

static void open_with(struct fixture *f, int64_t keep_ms, size_t max, bool answers)
{
	const struct route_cache_conf conf = {.keep_ms = keep_ms, .max = max, .answers = answers};
	int pair[2];
	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0, pair), 0);
	*f = (struct fixture){.directory = {.fd = pair[1]}, .pool = pool_new("test")};
	f->client = ipc_client_new_fd(pair[0]);
	fiber_start("directory", serve, &f->directory);
	f->cache = route_cache_new(f->client, &conf);
}

static void close_all(struct fixture *f)
{
	ipc_client_free(&f->client);
	for (int turns = 0; fiber_count() && turns < 10000; turns++)
		io_sleep(1);
	assert_int_equal(fiber_count(), 0);
	route_cache_free(&f->cache);
	pool_free(&f->pool);
}

/* How often the directory was asked for it. */
static unsigned ask(struct fixture *f, const char *local, const char *domain, struct route *route_r)
{
	struct address a = {local, domain};
	unsigned before = f->directory.asked;
	route_cached(f->cache, f->pool, &a, route_r);
	return f->directory.asked - before;
}

#define LONG 600000

static void what_lets_mail_on_is_kept(void **state)
{
	struct fixture f;
	struct route r;
	(void)state;
	open_with(&f, LONG, 100, false);
	for (unsigned i = 0; i < 3; i++) {
		assert_int_equal(ask(&f, i < 2 ? "u" : "U", "user.test", &r), i == 0);
		assert_int_equal(r.kind, ROUTE_LOCAL);
		assert_string_equal(r.account, "a7");
		assert_string_equal(r.canonical, "u@user.test");
		assert_int_equal(r.quota_bytes, 9);
		assert_int_equal(ask(&f, "u", "far.test", &r), i == 0);
		assert_int_equal(r.kind, ROUTE_REMOTE);
		assert_string_equal(r.destination, "far.test");
		assert_int_equal(ask(&f, "u", "full.test", &r), i == 0);
		assert_int_equal(ask(&f, "u", "none.test", &r), 1);
		assert_int_equal(r.kind, ROUTE_REFUSED);
		assert_int_equal(ask(&f, "u", "alias.test", &r), 1);
		assert_int_equal(r.targets.n, 1);
	}
	close_all(&f);
}

static void for_answers_aliases_are_kept_and_full_mailboxes_not(void **state)
{
	struct fixture f;
	struct route r;
	(void)state;
	open_with(&f, LONG, 100, true);
	for (unsigned i = 0; i < 3; i++) {
		assert_int_equal(ask(&f, "u", "alias.test", &r), i == 0);
		assert_int_equal(r.kind, ROUTE_ALIAS);
		assert_int_equal(r.targets.n, i == 0);
		assert_int_equal(ask(&f, "u", "full.test", &r), 1);
		assert_true(r.over_quota);
	}
	close_all(&f);
}

static void a_change_ends_it(void **state)
{
	struct dir_changed changed = {.count = 1, .account = ""};
	struct fixture f;
	struct route r;
	unsigned asked = 0;
	(void)state;
	open_with(&f, LONG, 100, false);
	assert_int_equal(ask(&f, "u", "user.test", &r), 1);
	ipc_send(ipc_conn_ipc(f.directory.conn), &dir_changed_msg, 0, &changed, NULL, 0);
	for (int turns = 0; !asked && turns < 10000; turns++) {
		io_sleep(1);
		asked = ask(&f, "u", "user.test", &r);
	}
	assert_int_equal(asked, 1);
	/* While it is asked: who knows what the answer is about. */
	f.directory.changes = true;
	assert_int_equal(ask(&f, "v", "user.test", &r), 1);
	assert_int_equal(ask(&f, "v", "user.test", &r), 1);
	f.directory.changes = false;
	assert_int_equal(ask(&f, "v", "user.test", &r), 1);
	assert_int_equal(ask(&f, "v", "user.test", &r), 0);
	close_all(&f);
}

static void the_end_of_the_directory_ends_it(void **state)
{
	struct fixture f;
	struct route r;
	(void)state;
	open_with(&f, LONG, 100, false);
	assert_int_equal(ask(&f, "u", "user.test", &r), 1);
	shutdown(f.directory.fd, SHUT_RDWR);
	for (int turns = 0; r.kind == ROUTE_LOCAL && turns < 10000; turns++) {
		io_sleep(1);
		ask(&f, "u", "user.test", &r);
	}
	assert_int_equal(r.kind, ROUTE_TEMPFAIL);
	close_all(&f);
}

static void it_ends_with_time_and_number(void **state)
{
	struct fixture f;
	struct route r;
	(void)state;
	open_with(&f, 0, 100, false);
	assert_int_equal(ask(&f, "u", "user.test", &r), 1);
	assert_int_equal(ask(&f, "u", "user.test", &r), 1);
	close_all(&f);
	open_with(&f, LONG, 2, false);
	assert_int_equal(ask(&f, "u", "user.test", &r), 1);
	assert_int_equal(ask(&f, "u", "user.test", &r), 0);
	assert_int_equal(ask(&f, "v", "user.test", &r), 1);
	assert_int_equal(ask(&f, "w", "user.test", &r), 1); /* all went */
	assert_int_equal(ask(&f, "u", "user.test", &r), 1);
	close_all(&f);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(what_lets_mail_on_is_kept),
		cmocka_unit_test(for_answers_aliases_are_kept_and_full_mailboxes_not),
		cmocka_unit_test(a_change_ends_it),
		cmocka_unit_test(the_end_of_the_directory_ends_it),
		cmocka_unit_test(it_ends_with_time_and_number),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
