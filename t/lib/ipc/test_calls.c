/* Calls find their answers: many at once, long, late and refused ones. */
#include "base/clock.h"
#include "server.h"

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

	assert_int_equal(call(c, pool, "oak", 1, 60000, &out, &err), -1);
	assert_string_equal(err,
		"There is no connection to /tmp/ipc-test-nobody: No such file or directory.");
	assert_true(clock_mono_ms() - start < 30000);
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

static void an_answer_may_come_after_the_handler(void **state)
{
	struct server s = {0};
	struct pool *pool = pool_new("test");
	const char *err;
	struct leaf out;
	(void)state;

	server_start(&s);
	struct ipc_client *c = ipc_client_new(s.path);
	do
		assert_int_equal(call(c, pool, "later", 1, 30, &out, &err), -1);
	while (!s.parked); /* it may not have come there in that time */
	ipc_refuse(s.parked_conn, s.parked, "Too late.");
	assert_int_equal(call(c, pool, "oak", 1, 5000, &out, &err), 0);
	assert_int_equal(call(c, pool, "later", 1, 30, &out, &err), -1);
	server_stop(&s, &c); /* the second is forgotten with the connection */
	assert_int_equal(s.gone, 1);
	pool_free(&pool);
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

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_call_outside_fibers_blocks),
		cmocka_unit_test(nobody_there_is_told_at_once),
		cmocka_unit_test(a_deadline_ends_the_wait_and_the_late_answer_is_dropped),
		cmocka_unit_test(many_calls_share_a_connection),
		cmocka_unit_test(a_long_payload_passes),
		cmocka_unit_test(an_answer_may_come_after_the_handler),
		cmocka_unit_test(an_unknown_message_is_answered_by_an_error),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
