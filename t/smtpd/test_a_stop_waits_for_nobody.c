/* A stop tells every client that waits; one that does not read must not keep it from the others. */
#include "t/lib/io/test.h"

#include "smtpd/session.h"

#define BUFFER (64 * 1024) /* of a stream */

const struct mode *mode_find(const char *name)
{
	(void)name;
	return NULL;
}

struct client {
	int fd;
	struct session s;
};

static void join(struct smtpd *d, struct client *c)
{
	int sv[2];
	make_pair(sv);
	c->fd = sv[0];
	c->s = (struct session){.d = d, .stream = stream_new(sv[1]), .parked = true};
	list_add_tail(&d->sessions, &c->s.link);
}

static void leave(struct client *c)
{
	list_remove(&c->s.link);
	stream_close(&c->s.stream);
	str_fini(&c->s.out);
	close(c->fd);
}

/* Until the kernel takes no more, and then until left octets are free. */
static void fill(struct stream *s, size_t left)
{
	static const char block[4096];
	while (stream_pending(s) < BUFFER / 2) {
		stream_write(s, block, sizeof(block));
		stream_flush_try(s);
	}
	while (stream_pending(s) < BUFFER - left)
		stream_write(s, block, 1);
}

static void stop(void *arg)
{
	session_stop_all(arg);
}

static void who_does_not_read_holds_nobody_up(void **state)
{
	struct smtpd d = {0};
	struct client deaf, idle;
	char said[100] = "";
	(void)state;
	list_init(&d.sessions);
	join(&d, &deaf);
	join(&d, &idle);
	fill(deaf.s.stream, 10);
	fiber_start("stop", stop, &d);
	for (int i = 0; i < 10 && fiber_count(); i++)
		loop_turn(10);
	assert_true(recv(idle.fd, said, sizeof(said) - 1, MSG_DONTWAIT) > 0);
	assert_int_equal(strncmp(said, "421 4.3.2 ", 10), 0);
	assert_true(deaf.s.closing && idle.s.closing);
	assert_int_equal(fiber_count(), 0);
	leave(&deaf);
	leave(&idle);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(who_does_not_read_holds_nobody_up),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
