#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <fcntl.h>
#include <sys/socket.h>
#include <unistd.h>

#include "io/stream.h"
#include "login/messages.h"

struct fixture {
	int sock[2], pipe[2];
	struct pool *pool;
};

static const struct login_handoff sent = {
	.ticket = SPAN_LIT("0123456789abcdef"),
	.tag = "a1",
	.peer_ip = "2001:db8::1",
	.session = "Sabc",
	.tls = true,
	.service = "imap",
	.input = SPAN_LIT("b SELECT \0INBOX\r\n"),
};

static int set_up(void **state)
{
	struct fixture *f = mem_new(struct fixture);
	f->pool = pool_new("test");
	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0, f->sock), 0);
	assert_int_equal(pipe(f->pipe), 0);
	*state = f;
	return 0;
}

static int tear_down(void **state)
{
	struct fixture *f = *state;
	for (int i = 0; i < 2; i++) {
		close(f->sock[i]);
		close(f->pipe[i]);
	}
	pool_free(&f->pool);
	mem_free(&f);
	return 0;
}

static void assert_same(const struct login_handoff *got)
{
	assert_true(span_eq(got->ticket, sent.ticket));
	assert_true(span_eq(got->input, sent.input));
	assert_string_equal(got->tag, sent.tag);
	assert_string_equal(got->peer_ip, sent.peer_ip);
	assert_string_equal(got->session, sent.session);
	assert_string_equal(got->service, sent.service);
	assert_true(got->tls);
}

/* The login program does not wait for `ready` here: it is there when somebody looks. */
static void hand_over(struct fixture *f, int client, struct login_handoff *got)
{
	const char *err;
	assert_int_equal(handoff_send(f->sock[0], &sent, io_deadline(1000), &err), 0);
	assert_int_equal(handoff_give(f->sock[0], client, io_deadline(1000), &err), 0);
	assert_int_equal(handoff_receive(f->sock[1], f->pool, got, io_deadline(1000), &err), 0);
	assert_same(got);
}

static void with_its_socket(void **state)
{
	struct fixture *f = *state;
	struct login_handoff got;
	const char *err;
	hand_over(f, f->pipe[1], &got);
	assert_int_equal(write(f->sock[0], "client's", 8), 8);
	int client = handoff_take(&f->sock[1], io_deadline(1000), &err);
	assert_true(client >= 0 && client != f->pipe[1]);
	assert_true(f->sock[1] >= 0 && f->sock[1] != client);
	assert_int_equal(handoff_wait(f->sock[0], io_deadline(1000), &err), 0);
	assert_int_equal(write(client, "x", 1), 1); /* it is the other end of the pipe */
	char c;
	assert_int_equal(read(f->pipe[0], &c, 1), 1);
	close(client);
}

static void as_a_pipe_of_which_not_one_octet_is_taken(void **state)
{
	struct fixture *f = *state;
	struct login_handoff got;
	const char *err;
	char buf[16];
	int sock = f->sock[1];
	hand_over(f, -1, &got);
	assert_int_equal(write(f->sock[0], "client's", 8), 8);
	assert_int_equal(handoff_take(&f->sock[1], io_deadline(1000), &err), sock);
	assert_int_equal(f->sock[1], -1);
	assert_int_equal(handoff_wait(f->sock[0], io_deadline(1000), &err), 0);
	assert_int_equal(read(sock, buf, sizeof(buf)), 8);
	assert_memory_equal(buf, "client's", 8);
	f->sock[1] = sock;
}

/* What a login program does that waits no longer, before the worker has begun and after. */
static void a_worker_that_is_late_gets_nobody(void **state)
{
	struct fixture *f = *state;
	struct login_handoff got;
	const char *err = NULL;
	assert_int_equal(handoff_send(f->sock[0], &sent, io_deadline(1000), &err), 0);
	assert_int_equal(handoff_wait(f->sock[0], io_deadline(20), &err), -1);
	int late = dup(f->sock[1]);
	assert_int_equal(handoff_receive(late, f->pool, &got, io_deadline(1000), &err), 0);
	close(f->sock[0]);
	f->sock[0] = -1;
	assert_int_equal(handoff_take(&late, io_deadline(1000), &err), -1);
	assert_non_null(err);
	assert_true(late >= 0);
	close(late);
}

static void one_that_has_been_given_up_is_not_even_begun(void **state)
{
	struct fixture *f = *state;
	struct login_handoff got;
	const char *err = NULL;
	assert_int_equal(handoff_send(f->sock[0], &sent, io_deadline(1000), &err), 0);
	close(f->sock[0]);
	f->sock[0] = -1;
	assert_int_equal(handoff_receive(f->sock[1], f->pool, &got, io_deadline(1000), &err), -1);
	assert_non_null(err);
}

static void a_worker_that_dies_leaves_the_client_behind(void **state)
{
	struct fixture *f = *state;
	const char *err = NULL;
	assert_int_equal(handoff_send(f->sock[0], &sent, io_deadline(1000), &err), 0);
	close(f->sock[1]);
	f->sock[1] = -1;
	assert_int_equal(handoff_wait(f->sock[0], io_deadline(1000), &err), -1);
	assert_int_equal(handoff_give(f->sock[0], f->pipe[1], io_deadline(1000), &err), -1);
	assert_non_null(err);
}

/* What the login program is told behind `yours`, by what the worker does. */
static void who_has_the_client_shows_by_itself(void **state)
{
	static const struct {
		bool proxied, takes, speaks, closes;
		enum handoff_end end;
	} rows[] = {
		{false, true, false, true, HANDOFF_TAKEN},
		{false, true, false, false, HANDOFF_LOST},  /* it answers nothing */
		{false, false, false, false, HANDOFF_LOST}, /* it does nothing */
		{false, false, false, true, HANDOFF_LEFT},
		{false, true, true, false, HANDOFF_LOST},   /* it speaks to the wrong one */
		{true, true, true, false, HANDOFF_TAKEN},
		{true, true, true, true, HANDOFF_TAKEN},    /* what it said is there */
		{true, true, false, false, HANDOFF_LOST},
		{true, true, false, true, HANDOFF_LOST},
		{true, false, false, true, HANDOFF_LEFT},
		{true, false, false, false, HANDOFF_LOST},
	};
	struct fixture *f = *state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		int s[2], client = -1, way;
		const char *err;
		assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0, s), 0);
		assert_int_equal(handoff_give(s[0], rows[i].proxied ? -1 : f->pipe[1],
					 io_deadline(1000), &err), 0);
		way = s[1];
		if (rows[i].takes)
			assert_true((client = handoff_take(&s[1], io_deadline(1000), &err)) >= 0);
		if (rows[i].takes)
			assert_int_equal(handoff_wait(s[0], io_deadline(1000), &err), 0);
		if (rows[i].speaks)
			assert_int_equal(write(way, "+OK", 3), 3);
		if (rows[i].closes)
			close(way);
		assert_int_equal(handoff_watch(s[0], rows[i].proxied, io_deadline(20)), rows[i].end);
		char said[4];
		if (rows[i].speaks) /* nothing of it is read by that */
			assert_int_equal(read(s[0], said, sizeof(said)), 3);
		close(s[0]);
		if (!rows[i].closes)
			close(way);
		if (client >= 0 && !rows[i].proxied)
			close(client);
	}
}

/* What is not whole, or something else, is refused, and no descriptor stays behind. */
static void or_not_at_all(void **state)
{
	static const struct {
		const char *p;
		size_t n;
	} rows[] = {
		{"", 0},
		{"\x08\0\0\0", 4},
		{"\x08\0\0\0\x01\x05\0\0\0\0\0\0", 12},         /* no payload */
		{"\x04\0\0\0\x01\x05\0\0\0\0\0\0", 12},         /* shorter than its header */
		{"\xff\xff\xff\x7f\x01\x05\0\0\0\0\0\0", 12},   /* endless */
		{"\x09\0\0\0\x01\x02\0\0\0\0\0\0x", 13},        /* another message */
		{"\x0c\0\0\0\x01\x05\0\0\0\0\0\0\xff\xff\xff\xff", 16},
		{"\x30\0\0\0\x01\x05\0\0\0\0\0\0half", 16},
	};
	struct fixture *f = *state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct login_handoff got;
		const char *err = NULL;
		int s[2], probe;
		assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM, 0, s), 0);
		assert_int_equal(write(s[0], rows[i].p, rows[i].n), rows[i].n);
		close(s[0]);
		probe = dup(s[1]);
		close(probe);
		assert_int_equal(
			handoff_receive(s[1], f->pool, &got, io_deadline(1000), &err), -1);
		assert_non_null(err);
		int again = dup(s[1]);
		assert_int_equal(again, probe);
		close(again);
		close(s[1]);
	}
}

/* A worker serves many; a hijacked login program must not bring it down. */
static void more_input_than_a_stream_holds_is_refused(void **state)
{
	struct fixture *f = *state;
	static char bytes[STREAM_BUFFER_MAX + 1];
	struct login_handoff much = sent, got;
	const char *err;
	for (size_t n = sizeof(bytes) - 1; n <= sizeof(bytes); n++) {
		much.input = span_make(bytes, n);
		assert_int_equal(handoff_send(f->sock[0], &much, io_deadline(1000), &err), 0);
		assert_int_equal(handoff_receive(f->sock[1], f->pool, &got, io_deadline(1000), &err),
			n < sizeof(bytes) ? 0 : -1);
	}
}

static void too_much_input_is_refused_by_the_sender(void **state)
{
	struct fixture *f = *state;
	struct login_handoff much = sent;
	const char *err = NULL;
	char *bytes = pool_alloc(f->pool, HANDOFF_MAX);
	much.input = span_make(bytes, HANDOFF_MAX);
	assert_int_equal(handoff_send(f->sock[0], &much, io_deadline(1000), &err), -1);
	assert_non_null(err);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(with_its_socket, set_up, tear_down),
		cmocka_unit_test_setup_teardown(as_a_pipe_of_which_not_one_octet_is_taken, set_up, tear_down),
		cmocka_unit_test_setup_teardown(or_not_at_all, set_up, tear_down),
		cmocka_unit_test_setup_teardown(a_worker_that_is_late_gets_nobody, set_up, tear_down),
		cmocka_unit_test_setup_teardown(one_that_has_been_given_up_is_not_even_begun, set_up, tear_down),
		cmocka_unit_test_setup_teardown(a_worker_that_dies_leaves_the_client_behind, set_up, tear_down),
		cmocka_unit_test_setup_teardown(who_has_the_client_shows_by_itself, set_up, tear_down),
		cmocka_unit_test_setup_teardown(more_input_than_a_stream_holds_is_refused, set_up, tear_down),
		cmocka_unit_test_setup_teardown(too_much_input_is_refused_by_the_sender, set_up, tear_down),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
