/* Calls find their answers: many at once, late ones, refused ones, over broken connections, with descriptors. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <malloc.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/array.h"
#include "base/clock.h"
#include "io/loop.h"
#include "io/net.h"
#include "table.h"

struct server {
	int listener;
	char path[64];
	unsigned connections, calls, gone;
	int cuts; /* so many calls of "cut" break their connection */
	bool stop;
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

static int call(struct ipc_client *c, struct pool *pool, const char *word, uint32_t weight,
	int64_t ms, struct leaf *out, const char **err)
{
	struct leaf in = {word, weight};
	return ipc_client_call(c, pool,
		&(struct ipc_call){.request = &leaf_msg, .body = &in, .reply_type = &leaf_msg,
			.reply = out, .deadline = io_deadline(ms)},
		err);
}

static void a_call_outside_fibers_blocks(void **state)
{
	struct server s = {0};
	struct pool *pool = pool_new("test");
	const char *err;
	struct leaf out;
	(void)state;

	server_start(&s);
	struct ipc_client *c = ipc_client_new(s.path);
	assert_int_equal(call(c, pool, "oak", 21, 5000, &out, &err), 0);
	assert_int_equal(out.weight, 42);
	assert_string_equal(out.word, "oak");
	assert_int_equal(call(c, pool, "refuse", 1, 5000, &out, &err), IPC_REFUSED);
	assert_string_equal(err, "Not today.");
	assert_int_equal(s.connections, 1);
	server_stop(&s, &c);
	assert_int_equal(s.gone, 1);
	pool_free(&pool);
}

static void nobody_there_is_told_at_once(void **state)
{
	struct ipc_client *c = ipc_client_new("/tmp/ipc-test-nobody");
	struct pool *pool = pool_new("test");
	const char *err;
	struct leaf out;
	int64_t start = clock_mono_ms();
	(void)state;

	assert_int_equal(call(c, pool, "oak", 1, 5000, &out, &err), -1);
	assert_string_equal(err,
		"There is no connection to /tmp/ipc-test-nobody: No such file or directory.");
	assert_true(clock_mono_ms() - start < 1000);
	ipc_client_free(&c);
	pool_free(&pool);
}

static void a_deadline_ends_the_wait_and_the_late_answer_is_dropped(void **state)
{
	struct server s = {0};
	struct pool *pool = pool_new("test");
	const char *err;
	struct leaf out;
	(void)state;

	server_start(&s);
	struct ipc_client *c = ipc_client_new(s.path);
	assert_int_equal(call(c, pool, "slow", 60, 20, &out, &err), -1);
	assert_string_equal(err, "There was no answer before the deadline.");
	assert_int_equal(call(c, pool, "next", 80, 5000, &out, &err), 0);
	assert_string_equal(out.word, "next");
	assert_int_equal(out.weight, 160);
	assert_int_equal(s.connections, 1);
	server_stop(&s, &c);
	pool_free(&pool);
}

#define MANY 600 /* more than IPC_CALLS_MAX */

struct many {
	struct ipc_client *c;
	struct fiber_group *group;
	unsigned i, *right;
};

static void one_of_many(void *arg)
{
	struct many *m = arg;
	struct pool *pool = pool_new("test");
	const char *err;
	struct leaf out;

	if (call(m->c, pool, "many", m->i % 7 + 1, 20000, &out, &err) == 0 &&
		out.weight == 2 * (m->i % 7 + 1))
		++*m->right;
	pool_free(&pool);
	fiber_group_leave(m->group);
	free(m);
}

static void many_calls_share_a_connection(void **state)
{
	struct server s = {0};
	struct fiber_group group = {0};
	unsigned right = 0;
	(void)state;

	server_start(&s);
	struct ipc_client *c = ipc_client_new(s.path);
	for (unsigned i = 0; i < MANY; i++) {
		struct many *m = malloc(sizeof(*m));
		*m = (struct many){c, &group, i, &right};
		fiber_group_enter(&group);
		fiber_start("one of many", one_of_many, m);
	}
	assert_int_equal(fiber_group_wait(&group, io_deadline(20000)), 0);
	assert_int_equal(right, MANY);
	assert_int_equal(s.calls, MANY);
	assert_int_equal(s.connections, 1);
	server_stop(&s, &c);
}

static void a_long_payload_passes(void **state)
{
	struct server s = {0};
	struct pool *pool = pool_new("test");
	struct leaf *leaves = pool_array(pool, 90000, sizeof(*leaves));
	struct branch in = {true, {leaves, 90000}}, out;
	const char *err;
	(void)state;

	for (size_t i = 0; i < 90000; i++)
		leaves[i] = (struct leaf){"a word of some length, so that the sockets fill up",
			(uint32_t)i};
	server_start(&s);
	struct ipc_client *c = ipc_client_new(s.path);
	assert_int_equal(ipc_client_call(c, pool,
				 &(struct ipc_call){.request = &branch_msg, .body = &in,
					 .reply_type = &branch_msg, .reply = &out},
				 &err),
		0);
	assert_int_equal(out.leaves.n, 90000);
	assert_int_equal(((struct leaf *)out.leaves.v)[89999].weight, 89999);
	server_stop(&s, &c);
	pool_free(&pool);
}

static void a_broken_connection_fails_its_call_and_the_next_one_connects(void **state)
{
	struct server s = {.cuts = 1};
	struct pool *pool = pool_new("test");
	const char *err;
	struct leaf out;
	(void)state;

	server_start(&s);
	struct ipc_client *c = ipc_client_new(s.path);
	assert_int_equal(call(c, pool, "cut", 1, 5000, &out, &err), -1);
	assert_string_equal(err, "The connection ended before the answer.");
	assert_int_equal(call(c, pool, "elm", 1, 5000, &out, &err), 0);
	assert_string_equal(out.word, "elm");
	assert_int_equal(s.connections, 2);
	server_stop(&s, &c);
	pool_free(&pool);
}

static void a_harmless_call_is_repeated(void **state)
{
	struct server s = {.cuts = 2};
	struct pool *pool = pool_new("test");
	const char *err;
	struct leaf in = {"cut", 0}, out;
	(void)state;

	server_start(&s);
	struct ipc_client *c = ipc_client_new(s.path);
	assert_int_equal(ipc_client_call(c, pool,
				 &(struct ipc_call){.request = &leaf_msg, .body = &in,
					 .reply_type = &leaf_msg, .reply = &out, .repeat = true},
				 &err),
		0);
	assert_int_equal(s.calls, 3);
	server_stop(&s, &c);
	pool_free(&pool);
}

static void a_server_that_closes_in_order_loses_no_call(void **state)
{
	struct server s = {0};
	struct pool *pool = pool_new("test");
	const char *err;
	struct leaf out;
	(void)state;

	server_start(&s);
	struct ipc_client *c = ipc_client_new(s.path);
	for (int i = 0; i < 5; i++) {
		assert_int_equal(call(c, pool, "last", 1, 5000, &out, &err), 0);
		assert_int_equal(call(c, pool, "elm", 1, 5000, &out, &err), 0);
		assert_string_equal(out.word, "elm");
	}
	assert_int_equal(s.calls, 10);
	server_stop(&s, &c);
	pool_free(&pool);
}

struct side_call {
	struct ipc_client *c;
	const char *word;
	uint32_t weight;
	int rc;
	int64_t ended;
	struct fiber_group *group;
};

static void side_call(void *arg)
{
	struct side_call *s = arg;
	struct pool *pool = pool_new("test");
	const char *err;
	struct leaf out;

	s->rc = call(s->c, pool, s->word, s->weight, 5000, &out, &err);
	s->ended = clock_mono_ms();
	pool_free(&pool);
	fiber_group_leave(s->group);
}

/* The server takes no more while it is busy with an answer: that one arrives, and what could not be sent any
 * more goes to a new connection at once. */
static void a_call_to_a_closing_server_goes_elsewhere(void **state)
{
	struct server s = {0};
	struct fiber_group group = {0};
	(void)state;

	server_start(&s);
	struct ipc_client *c = ipc_client_new(s.path);
	struct side_call slow = {.c = c, .word = "last", .weight = 300, .group = &group};
	struct side_call next = {.c = c, .word = "elm", .weight = 1, .group = &group};
	fiber_group_enter(&group);
	fiber_start("slow", side_call, &slow);
	for (int i = 0; i < 100 && s.calls == 0; i++)
		loop_turn(10);
	fiber_group_enter(&group);
	fiber_start("next", side_call, &next);
	assert_int_equal(fiber_group_wait(&group, io_deadline(5000)), 0);
	assert_int_equal(slow.rc, 0);
	assert_int_equal(next.rc, 0);
	assert_true(next.ended < slow.ended);
	assert_int_equal(s.calls, 2);
	assert_int_equal(s.connections, 2);
	server_stop(&s, &c);
}

#define BATCH 20

struct fd_call {
	struct ipc_client *c;
	struct fiber_group *group;
	unsigned *right;
};

/* The pipe that comes back is the one that went out. */
static void fd_call(void *arg)
{
	struct fd_call *f = arg;
	struct pool *pool = pool_new("test");
	struct leaf in = {"fds", 0}, out;
	int p[2], back[IPC_FDS_MAX];
	size_t n = 0;
	const char *err;
	uintptr_t mark = (uintptr_t)&in, got = 0;

	assert_int_equal(pipe(p), 0);
	assert_int_equal(ipc_client_call(f->c, pool,
				 &(struct ipc_call){.request = &leaf_msg, .body = &in, .fds = p + 1,
					 .nfds = 1, .reply_type = &leaf_msg, .reply = &out,
					 .fds_r = back, .nfds_r = &n},
				 &err),
		0);
	close(p[1]);
	if (n == 1 && write(back[0], &mark, sizeof(mark)) == sizeof(mark)) {
		close(back[0]);
		*f->right += read(p[0], &got, sizeof(got)) == sizeof(got) && got == mark;
	}
	close(p[0]);
	pool_free(&pool);
	fiber_group_leave(f->group);
}

static void descriptors_of_one_batch_stay_with_their_frames(void **state)
{
	struct server s = {0};
	struct fiber_group group = {0};
	unsigned right = 0;
	(void)state;

	server_start(&s);
	struct ipc_client *c = ipc_client_new(s.path);
	struct fd_call f = {c, &group, &right};
	for (int i = 0; i < BATCH; i++) {
		fiber_group_enter(&group);
		fiber_start("fd call", fd_call, &f);
	}
	assert_int_equal(fiber_group_wait(&group, io_deadline(5000)), 0);
	assert_int_equal(right, BATCH);
	server_stop(&s, &c);
}

static void descriptors_travel_both_ways(void **state)
{
	struct server s = {0};
	struct pool *pool = pool_new("test");
	const char *err;
	struct leaf in = {"fds", 0}, out;
	int pipe_fds[2], back[IPC_FDS_MAX];
	size_t n = 0;
	char text[8] = "";
	(void)state;

	server_start(&s);
	struct ipc_client *c = ipc_client_new(s.path);
	assert_int_equal(pipe(pipe_fds), 0);
	assert_int_equal(ipc_client_call(c, pool,
				 &(struct ipc_call){.request = &leaf_msg, .body = &in,
					 .fds = pipe_fds, .nfds = 2, .reply_type = &leaf_msg,
					 .reply = &out, .fds_r = back, .nfds_r = &n},
				 &err),
		0);
	assert_int_equal(n, 2);
	assert_int_equal(write(back[1], "hello", 5), 5);
	assert_int_equal(read(pipe_fds[0], text, 5), 5);
	assert_string_equal(text, "hello");
	for (int i = 0; i < 2; i++) {
		close(back[i]);
		close(pipe_fds[i]);
	}
	server_stop(&s, &c);
	pool_free(&pool);
}

static void an_answer_may_come_after_the_handler(void **state)
{
	struct server s = {0};
	struct pool *pool = pool_new("test");
	const char *err;
	struct leaf out;
	(void)state;

	server_start(&s);
	struct ipc_client *c = ipc_client_new(s.path);
	assert_int_equal(call(c, pool, "later", 1, 30, &out, &err), -1);
	assert_non_null(s.parked);
	ipc_refuse(s.parked_conn, s.parked, "Too late.");
	assert_int_equal(call(c, pool, "oak", 1, 5000, &out, &err), 0);
	assert_int_equal(call(c, pool, "later", 1, 30, &out, &err), -1);
	server_stop(&s, &c); /* the second is forgotten with the connection */
	assert_int_equal(s.gone, 1);
	pool_free(&pool);
}

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
	ipc_flush_all(io_deadline(5000));
	assert_true(clock_mono_ms() - start < 1000);
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

static void an_unknown_message_is_answered_by_an_error(void **state)
{
	struct server s = {0};
	struct pool *pool = pool_new("test");
	const char *err;
	struct tree in = {0}, out;
	(void)state;

	server_start(&s);
	struct ipc_client *c = ipc_client_new(s.path);
	assert_int_equal(ipc_client_call(c, pool,
				 &(struct ipc_call){.request = &tree_msg, .body = &in,
					 .reply_type = &tree_msg, .reply = &out},
				 &err),
		IPC_REFUSED);
	assert_string_equal(err, "Messages of type 0x7f00 are not known here.");
	server_stop(&s, &c);
	pool_free(&pool);
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
		cmocka_unit_test(a_call_outside_fibers_blocks),
		cmocka_unit_test(nobody_there_is_told_at_once),
		cmocka_unit_test(a_deadline_ends_the_wait_and_the_late_answer_is_dropped),
		cmocka_unit_test(many_calls_share_a_connection),
		cmocka_unit_test(a_long_payload_passes),
		cmocka_unit_test(a_broken_connection_fails_its_call_and_the_next_one_connects),
		cmocka_unit_test(a_harmless_call_is_repeated),
		cmocka_unit_test(a_server_that_closes_in_order_loses_no_call),
		cmocka_unit_test(a_call_to_a_closing_server_goes_elsewhere),
		cmocka_unit_test(descriptors_travel_both_ways),
		cmocka_unit_test(descriptors_of_one_batch_stay_with_their_frames),
		cmocka_unit_test(an_answer_may_come_after_the_handler),
		cmocka_unit_test(a_last_flush_waits_for_slow_peers),
		cmocka_unit_test(what_has_come_is_seen_before_it_is_read),
		cmocka_unit_test(who_is_always_a_little_behind_costs_what_is_unread),
		cmocka_unit_test(an_unknown_message_is_answered_by_an_error),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
