/* A connection that breaks costs its calls, if they may not be repeated; one that is closed in order costs none. */
#include "server.h"

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
	bool done;
	struct fiber_group *group;
};

static void side_call(void *arg)
{
	struct side_call *s = arg;
	struct pool *pool = pool_new("test");
	const char *err;
	struct leaf out;

	s->rc = call(s->c, pool, s->word, s->weight, 20000, &out, &err);
	s->done = true;
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
	struct side_call slow = {.c = c, .word = "last", .weight = 1, .group = &group};
	struct side_call next = {.c = c, .word = "elm", .weight = 1, .group = &group};
	s.hold = true;
	fiber_group_enter(&group);
	fiber_start("slow", side_call, &slow);
	for (int i = 0; i < 1000 && s.calls == 0; i++)
		loop_turn(10);
	fiber_group_enter(&group);
	fiber_start("next", side_call, &next);
	for (int i = 0; i < 1000 && !next.done; i++)
		loop_turn(10);
	assert_true(next.done && !slow.done);
	s.hold = false;
	assert_int_equal(fiber_group_wait(&group, io_deadline(20000)), 0);
	assert_int_equal(slow.rc, 0);
	assert_int_equal(next.rc, 0);
	assert_int_equal(s.calls, 2);
	assert_int_equal(s.connections, 2);
	server_stop(&s, &c);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_broken_connection_fails_its_call_and_the_next_one_connects),
		cmocka_unit_test(a_harmless_call_is_repeated),
		cmocka_unit_test(a_server_that_closes_in_order_loses_no_call),
		cmocka_unit_test(a_call_to_a_closing_server_goes_elsewhere),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
