/* The byte proxy: both directions at once, half-closes forwarded, bounded when one side is slow. */
#include "io/stream.h"
#include "t/lib/tls/certificate.h"
#include "test.h"
#include "tls/tls.h"

struct proxied {
	struct stream *a, *b;	     /* the proxy's ends */
	struct stream *left, *right; /* the talkers' ends */
	bool done;
};

static void run_proxy(void *arg)
{
	struct proxied *p = arg;
	stream_proxy(p->a, p->b);
	p->done = true;
}

static void open_proxy(struct proxied *p)
{
	int one[2], two[2];
	make_pair(one);
	make_pair(two);
	*p = (struct proxied){stream_new(one[1]), stream_new(two[0]), stream_new(one[0]),
		stream_new(two[1]), false};
}

static void close_proxy(struct proxied *p)
{
	stream_close(&p->a);
	stream_close(&p->b);
	stream_close(&p->left);
	stream_close(&p->right);
}

enum { BULK = 2000000 };

static void pour(void *arg)
{
	struct stream *s = arg;
	char block[3001];
	for (size_t at = 0; at < BULK; at += sizeof(block)) {
		for (size_t i = 0; i < sizeof(block); i++)
			block[i] = (char)((at + i) * 13 / 7);
		stream_write(s, block, sizeof(block) < BULK - at ? sizeof(block) : BULK - at);
	}
	stream_flush(s);
	shutdown(stream_fd(s), SHUT_WR);
}

struct drinker {
	struct stream *s;
	size_t got;
};

static void drink(void *arg)
{
	struct drinker *d = arg;
	struct span seen;
	while (stream_peek(d->s, 1, &seen)) {
		for (size_t i = 0; i < seen.n; i++)
			assert_int_equal(seen.p[i], (char)((d->got + i) * 13 / 7));
		d->got += seen.n;
		stream_consume(d->s, seen.n);
	}
	assert_int_equal(stream_state(d->s), STREAM_EOF);
}

static void bulk_both_ways(void **state)
{
	(void)state;
	struct proxied p;
	open_proxy(&p);
	struct drinker left = {p.left, 0}, right = {p.right, 0};
	fiber_start("proxy", run_proxy, &p);
	fiber_start("pour left", pour, p.left);
	fiber_start("pour right", pour, p.right);
	fiber_start("drink left", drink, &left);
	fiber_start("drink right", drink, &right);
	run_fibers();
	assert_int_equal(left.got, BULK);
	assert_int_equal(right.got, BULK);
	assert_int_equal(stream_state(p.a), STREAM_EOF);
	assert_int_equal(stream_state(p.b), STREAM_EOF);
	close_proxy(&p);
}

static void what_was_buffered_goes_first_and_halves_close_alone(void **state)
{
	(void)state;
	struct proxied p;
	struct span line;
	open_proxy(&p);
	/* read by the login phase already, and written by it but not flushed */
	assert_int_equal(write(stream_fd(p.left), "one\ntwo\n", 8), 8);
	assert_int_equal(stream_read_line(p.a, 10, &line, NULL), 1);
	stream_puts(p.b, "zero\n");
	fiber_start("proxy", run_proxy, &p);
	assert_int_equal(stream_read_line(p.right, 10, &line, NULL), 1);
	assert_memory_equal(line.p, "zero", 4);
	assert_int_equal(stream_read_line(p.right, 10, &line, NULL), 1);
	assert_memory_equal(line.p, "two", 3);
	shutdown(stream_fd(p.left), SHUT_WR);
	assert_int_equal(stream_read_line(p.right, 10, &line, NULL), 0);
	assert_false(p.done);
	stream_puts(p.right, "late answer\n");
	stream_flush(p.right);
	assert_int_equal(stream_read_line(p.left, 20, &line, NULL), 1);
	assert_int_equal(line.n, 11);
	stream_close(&p.right);
	assert_int_equal(stream_read_line(p.left, 20, &line, NULL), 0);
	run_fibers();
	assert_true(p.done);
	close_proxy(&p);
}

static void a_slow_reader_holds_the_other_side_back(void **state)
{
	(void)state;
	struct proxied p;
	char block[100000] = {0};
	open_proxy(&p);
	stream_set_timeout(p.b, 100);
	fiber_start("proxy", run_proxy, &p);
	size_t sent = 0;
	for (int i = 0; i < 50; i++) {
		for (ssize_t n; (n = write(stream_fd(p.left), block, sizeof(block))) > 0;)
			sent += (size_t)n;
		loop_turn(1);
	}
	assert_true(sent < 2000000); /* the kernel's two pairs and one buffer */
	run_fibers();
	assert_int_equal(stream_state(p.b), STREAM_TIMEOUT);
	assert_int_equal(stream_state(p.a), STREAM_OK);
	close_proxy(&p);
}

static void idle_limits_end_it(void **state)
{
	(void)state;
	struct proxied p;
	open_proxy(&p);
	stream_set_timeout(p.a, 300);
	int64_t start = clock_mono_ms();
	fiber_start("proxy", run_proxy, &p);
	for (int i = 0; i < 4; i++) {
		io_sleep(60);
		assert_int_equal(write(stream_fd(p.left), "x", 1), 1);
	}
	for (int i = 0; i < 4; i++) { /* what goes to a keeps it alive as well */
		io_sleep(60);
		assert_int_equal(write(stream_fd(p.right), "x", 1), 1);
	}
	assert_false(p.done);
	run_fibers();
	assert_in_range(clock_mono_ms() - start, 8 * 60 + 270, 20000);
	assert_int_equal(stream_state(p.a), STREAM_TIMEOUT);
	close_proxy(&p);
}

/* --- TLS on one side --- */

struct shaker {
	struct stream *s;
	struct tls_context *ctx;
};

static void shake(void *arg)
{
	struct shaker *h = arg;
	const char *err;
	assert_int_equal(tls_start(h->s, h->ctx, NULL, &err), 0);
}

static void tls_in_plain_out(void **state)
{
	(void)state;
	struct proxied p;
	struct certificate c;
	struct tls_context *server, *client;
	const char *err;
	open_proxy(&p);
	certificate_make(&c, "mx.sandbox.test", 5);
	assert_int_equal(tls_server_new(c.cert, c.key, &server, &err), 0);
	assert_int_equal(tls_client_new(false, c.cert, &client, &err), 0);
	struct shaker sa = {p.a, server}, sl = {p.left, client};
	fiber_start("server", shake, &sa);
	fiber_start("client", shake, &sl);
	run_fibers();
	struct drinker left = {p.left, 0};
	fiber_start("proxy", run_proxy, &p);
	fiber_start("pour right", pour, p.right);
	fiber_start("drink left", drink, &left);
	while (left.got < BULK)
		loop_turn(1000);
	stream_puts(p.left, "bye\n");
	stream_flush(p.left);
	struct span line;
	assert_int_equal(stream_read_line(p.right, 10, &line, NULL), 1);
	stream_close(&p.left);
	run_fibers();
	assert_true(p.done);
	close_proxy(&p);
	tls_free(&server);
	tls_free(&client);
	certificate_remove(&c);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(bulk_both_ways),
		cmocka_unit_test(what_was_buffered_goes_first_and_halves_close_alone),
		cmocka_unit_test(a_slow_reader_holds_the_other_side_back),
		cmocka_unit_test(idle_limits_end_it),
		cmocka_unit_test(tls_in_plain_out),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
