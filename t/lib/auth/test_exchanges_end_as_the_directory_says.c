/* The client's side of SASL against a directory that plays a script. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <sys/socket.h>

#include "auth/auth.h"
#include "base/array.h"
#include "base/clock.h"

#define STEPS_MAX 4

struct script {
	int fd;
	struct dir_auth_reply says[STEPS_MAX];
	unsigned at, cancels;
	char initial[64];
	size_t initial_n;
};

static void play(struct ipc_server_conn *conn, struct ipc_request *rq)
{
	struct script *s = ipc_conn_arg(conn);
	assert_true(s->at < STEPS_MAX);
	ipc_reply(conn, rq, &s->says[s->at++]);
}

static void run_start(struct ipc_server_conn *conn, struct ipc_request *rq, void *body)
{
	const struct dir_auth_start *start = body;
	struct script *s = ipc_conn_arg(conn);
	s->initial_n = start->initial.n < sizeof(s->initial) ? start->initial.n : sizeof(s->initial);
	memcpy(s->initial, start->initial.p, s->initial_n);
	play(conn, rq);
}

static void run_step(struct ipc_server_conn *conn, struct ipc_request *rq, void *body)
{
	const struct dir_auth_step *step = body;
	struct script *s = ipc_conn_arg(conn);
	s->cancels += step->cancel;
	assert_int_equal(step->id, 77);
	if (!step->cancel) /* that is a notice */
		play(conn, rq);
}

static const struct ipc_handler handlers[] = {
	{&dir_auth_start_msg, &dir_auth_reply_msg, run_start, true},
	{&dir_auth_step_msg, &dir_auth_reply_msg, run_step, true},
};

static void serve(void *arg)
{
	struct script *s = arg;
	ipc_serve(s->fd, handlers, COUNT_OF(handlers), s, NULL);
}

static struct ipc_client *directory(struct script *s)
{
	int pair[2];
	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0, pair), 0);
	s->fd = pair[1];
	fiber_start("directory", serve, s);
	return ipc_client_new_fd(pair[0]);
}

static void end(struct ipc_client **c, struct pool **pool)
{
	ipc_client_free(c);
	for (int turns = 0; fiber_count() && turns < 100; turns++)
		io_sleep(1);
	assert_int_equal(fiber_count(), 0);
	pool_free(pool);
}

static const struct auth_request scram = {
	.mechanism = "SCRAM-SHA-256", .service = "imap", .remote_ip = "192.0.2.1"};

/* The server's signature is one more challenge; only an empty answer to it ends well. */
static void success_with_data_is_a_challenge(void **state)
{
	(void)state;
	for (int good = 0; good < 2; good++) {
		struct pool *pool = pool_new("test");
		struct script s = {.says = {{.state = AUTH_CONTINUE, .id = 77, .data = SPAN_LIT("r=")},
					   {.state = AUTH_OK,
						   .data = SPAN_LIT("v=sig"),
						   .user = "joe@x.test",
						   .account = "acc",
						   .ticket = SPAN_LIT("ticket")}}};
		struct ipc_client *c = directory(&s);
		struct dir_auth_reply reply;
		struct auth *auth;
		assert_int_equal(auth_start(c, pool, &scram, &auth, &reply), AUTH_CONTINUE);
		assert_true(span_is(reply.data, "r="));
		assert_int_equal(auth_step(&auth, pool, SPAN_LIT("p="), &reply), AUTH_CONTINUE);
		assert_true(span_is(reply.data, "v=sig"));
		struct span answer = good ? span_of("") : span_of("more");
		assert_int_equal(auth_step(&auth, pool, answer, &reply), good ? AUTH_OK : AUTH_FAILED);
		assert_null(auth);
		assert_int_equal(s.at, 2); /* the last answer needs no directory */
		if (good) {
			assert_string_equal(reply.user, "joe@x.test");
			assert_true(span_is(reply.ticket, "ticket"));
			assert_int_equal(reply.data.n, 0);
		}
		end(&c, &pool);
	}
}

static void a_failure_waits_as_long_as_it_is_told(void **state)
{
	struct pool *pool = pool_new("test");
	struct script s = {.says = {{.state = AUTH_FAILED, .delay_ms = 150}}};
	struct ipc_client *c = directory(&s);
	struct dir_auth_reply reply;
	int64_t began = clock_mono_ms();
	(void)state;
	assert_int_equal(auth_password(c, pool, &scram, "joe", "secret", &reply), AUTH_FAILED);
	assert_true(clock_mono_ms() - began >= 150);
	assert_int_equal(s.initial_n, 11);
	assert_memory_equal(s.initial, "\0joe\0secret", 11);
	end(&c, &pool);
}

static void cancelling_tells_the_directory(void **state)
{
	struct pool *pool = pool_new("test");
	struct script s = {.says = {{.state = AUTH_CONTINUE, .id = 77}}};
	struct ipc_client *c = directory(&s);
	struct dir_auth_reply reply;
	struct auth *auth;
	(void)state;
	assert_int_equal(auth_start(c, pool, &scram, &auth, &reply), AUTH_CONTINUE);
	auth_cancel(&auth);
	assert_null(auth);
	for (int turns = 0; !s.cancels && turns < 100; turns++)
		io_sleep(1);
	assert_int_equal(s.cancels, 1);
	end(&c, &pool);
}

static void no_directory_is_temporary(void **state)
{
	struct pool *pool = pool_new("test");
	struct ipc_client *c = ipc_client_new("/nonexistent/directory-auth");
	struct dir_auth_reply reply;
	struct auth *auth;
	struct dir_redeem_reply who;
	(void)state;
	assert_int_equal(auth_start(c, pool, &scram, &auth, &reply), AUTH_TEMPFAIL);
	assert_null(auth);
	assert_string_equal(auth_mechanisms(c, pool, true), "");
	assert_false(auth_redeem(c, pool, SPAN_LIT("t"), "imap", &who));
	end(&c, &pool);
}

static void lists_name_plus_variants_too(void **state)
{
	(void)state;
	assert_true(auth_is_listed("PLAIN, SCRAM-SHA-256", true, SPAN_LIT("scram-sha-256")));
	assert_true(auth_is_listed("SCRAM-SHA-256", true, SPAN_LIT("SCRAM-SHA-256-PLUS")));
	assert_false(auth_is_listed("SCRAM-SHA-256", false, SPAN_LIT("SCRAM-SHA-256-PLUS")));
	assert_true(auth_is_listed("SCRAM-SHA-256", false, SPAN_LIT("SCRAM-SHA-256")));
	assert_false(auth_is_listed("SCRAM-SHA-256", true, SPAN_LIT("SCRAM-SHA-1")));
	assert_false(auth_is_listed("PLAIN", true, SPAN_LIT("PLAI")));
	assert_false(auth_is_listed("", true, SPAN_LIT("PLAIN")));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(success_with_data_is_a_challenge),
		cmocka_unit_test(a_failure_waits_as_long_as_it_is_told),
		cmocka_unit_test(cancelling_tells_the_directory),
		cmocka_unit_test(no_directory_is_temporary),
		cmocka_unit_test(lists_name_plus_variants_too),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
