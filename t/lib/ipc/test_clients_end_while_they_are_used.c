/* A client is freed while other fibers are in it, or its peer goes in that very moment, as when a process stops whose
 * neighbours were stopped. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <errno.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/array.h"
#include "base/clock.h"
#include "io/loop.h"
#include "table.h"

static void run_fibers(void)
{
	alarm(60);
	while (fiber_count())
		loop_turn(1000);
	alarm(0);
}

static void make_pair(int sv[2])
{
	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0, sv), 0);
}

struct late {
	struct ipc_client *c;
	int fd, rc, rounds;
	bool go;
	const char *err;
};

static int connect_late(void *arg)
{
	struct late *late = arg;

	while (!late->go)
		io_sleep(1);
	return late->fd;
}

static void open_client(void *arg)
{
	struct late *late = arg;
	struct pool *pool = pool_new("test");

	late->err = "";
	late->rc = ipc_client_open(late->c, pool, io_deadline(20000), &late->err);
	assert_true(late->rc == 0 || *late->err);
	pool_free(&pool);
}

static bool is_closed(int fd)
{
	char c;

	return recv(fd, &c, 1, MSG_DONTWAIT) == 0;
}

static void it_is_freed_while_fibers_connect(void **state)
{
	struct late late = {0}, second;
	int sv[2];
	(void)state;

	make_pair(sv);
	late.fd = sv[0];
	struct ipc_client *c = late.c = ipc_client_new_connector(connect_late, &late);
	second = late;
	fiber_start("first", open_client, &late);
	fiber_start("second", open_client, &second);
	loop_turn(0);
	ipc_client_free(&c);
	late.go = true;
	run_fibers();
	assert_int_equal(late.rc, -1);
	assert_int_equal(second.rc, -1);
	assert_true(is_closed(sv[1]));
	close(sv[1]);
}

static void free_client(void *arg)
{
	struct late *late = arg;
	struct leaf leaf = {"a word of some length, so that the socket fills up", 1};

	while (late->rounds-- && ipc_client_notify(late->c, &leaf_msg, &leaf, NULL, 0) == 0)
		;
	fiber_yield(); /* what fits is written; the rest waits */
	fiber_yield();
	close(late->fd);
	ipc_client_free(&late->c);
	assert_null(late->c);
}

static void its_peer_goes_while_it_is_freed(void **state)
{
	(void)state;
	for (int rounds = 0; rounds < 20000; rounds = rounds * 10 + 1) {
		struct late late = {.rounds = rounds};
		int sv[2];

		make_pair(sv);
		late.c = ipc_client_new_fd(sv[0]);
		late.fd = sv[1];
		fiber_start("free", free_client, &late);
		run_fibers();
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(it_is_freed_while_fibers_connect),
		cmocka_unit_test(its_peer_goes_while_it_is_freed),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
