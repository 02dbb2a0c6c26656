/* What is under way between two that do not read at once: it is waited for, costs what is unread, and is seen when it came. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <malloc.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/clock.h"
#include "io/loop.h"
#include "table.h"

/* A peer that does not read yet: a long frame is still under way when the process wants to end. */
static void a_last_flush_waits_for_slow_peers(void **state)
{
	struct pool *pool = pool_new("test");
	struct leaf *leaves = pool_array(pool, 90000, sizeof(*leaves));
	struct branch in = {true, {leaves, 90000}};
	int pair[2];
	size_t got = 0;
	static char block[65536];
	(void)state;

	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0, pair), 0);
	for (size_t i = 0; i < 90000; i++)
		leaves[i].word = "a word of some length, so that the socket fills up";
	struct ipc *ipc = ipc_new(pair[0]);
	assert_int_equal(ipc_send(ipc, &branch_msg, 0, &in, NULL, 0), 0);
	int64_t start = clock_mono_ms();
	ipc_flush_all(io_deadline(50));
	assert_true(clock_mono_ms() - start >= 40);
	for (int i = 0; i < 10000; i++) {
		ssize_t n;
		while ((n = read(pair[1], block, sizeof(block))) > 0)
			got += (size_t)n;
		ipc_flush_all(io_deadline(1));
	}
	assert_true(got > 4000000);
	start = clock_mono_ms();
	ipc_flush_all(io_deadline(60000));
	assert_true(clock_mono_ms() - start < 30000);
	ipc_close(&ipc);
	close(pair[1]);
	for (int i = 0; i < 100 && fiber_count(); i++)
		loop_turn(1);
	pool_free(&pool);
}

/* It reads as fast as it is sent to, and never all. */
static void who_is_always_a_little_behind_costs_what_is_unread(void **state)
{
	enum { PIECE = 4096, BEHIND = 300, ROUNDS = 10000 };
	static char word[PIECE - 12 - 2 - 4 + 1], piece[PIECE];
	struct leaf leaf = {.word = word};
	int pair[2];

	(void)state;
	memset(word, 'w', sizeof(word) - 1);
	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair), 0);
	struct ipc *ipc = ipc_new(pair[0]);
	for (int i = 0; i < ROUNDS; i++) {
		assert_int_equal(ipc_send(ipc, &leaf_msg, 0, &leaf, NULL, 0), 0);
		loop_turn(0);
		if (i > BEHIND)
			assert_int_equal(recv(pair[1], piece, PIECE, MSG_WAITALL), PIECE);
	}
	assert_true(mallinfo2().uordblks + mallinfo2().hblkhd < 4 * BEHIND * PIECE);
	close(pair[1]);
	ipc_close(&ipc);
	while (fiber_count())
		loop_turn(100);
}

/* Without a turn of the loop the client has not read what is there. */
static void what_has_come_is_seen_before_it_is_read(void **state)
{
	struct leaf note = {.word = "news", .weight = 1};
	int pair[2];
	(void)state;

	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0, pair), 0);
	struct ipc_client *c = ipc_client_new_fd(pair[0]);
	struct ipc *server = ipc_new(pair[1]);
	io_sleep(1); /* its reading fiber waits */
	assert_false(ipc_client_has_input(c));
	assert_int_equal(ipc_send(server, &leaf_msg, 0, &note, NULL, 0), 0);
	ipc_close(&server); /* what is buffered goes out */
	assert_true(ipc_client_has_input(c));
	io_sleep(1);
	assert_false(ipc_client_has_input(c));
	ipc_client_free(&c);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_last_flush_waits_for_slow_peers),
		cmocka_unit_test(who_is_always_a_little_behind_costs_what_is_unread),
		cmocka_unit_test(what_has_come_is_seen_before_it_is_read),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
