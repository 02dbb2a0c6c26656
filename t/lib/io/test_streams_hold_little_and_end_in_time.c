/* Streams: what fits, what waits, what ends them, and what they cost while they wait. */
#include <fcntl.h>
#include <malloc.h>
#include <sys/ioctl.h>

#include "io/stream.h"
#include "os/os.h"
#include "test.h"

static void open_pair(struct stream *s[2])
{
	int sv[2];
	make_pair(sv);
	s[0] = stream_new(sv[0]);
	s[1] = stream_new(sv[1]);
}

static void close_pair(struct stream *s[2])
{
	stream_close(&s[0]);
	stream_close(&s[1]);
	assert_null(s[0]);
}

static void peeking(void **state)
{
	(void)state;
	struct stream *s[2];
	struct span seen;
	char bytes[4];
	open_pair(s);
	stream_puts(s[0], "abcdef");
	assert_int_equal(stream_pending(s[0]), 6);
	assert_false(stream_has_input(s[1]));
	assert_int_equal(stream_flush(s[0]), 0);
	assert_int_equal(stream_pending(s[0]), 0);
	assert_true(stream_peek(s[1], 1, &seen));
	assert_int_equal(seen.n, 6);
	assert_true(stream_has_input(s[1]));
	stream_consume(s[1], 2);
	assert_true(stream_peek(s[1], 4, &seen));
	assert_memory_equal(seen.p, "cdef", 4);
	assert_true(stream_read_exact(s[1], bytes, 3));
	assert_memory_equal(bytes, "cde", 3);
	stream_set_timeout(s[1], 20);
	assert_false(stream_peek(s[1], 2, &seen));
	assert_int_equal(stream_state(s[1]), STREAM_TIMEOUT);
	assert_string_equal(stream_error(s[1]), "The peer did not answer in time.");
	assert_int_equal(stream_read_some(s[1], bytes, 1), -1);
	close_pair(s);
}

static void write_much(void *arg)
{
	struct stream *s = arg;
	char block[1000];
	memset(block, 'x', sizeof(block));
	for (int i = 0; i < 400; i++)
		stream_write(s, block, sizeof(block));
	stream_flush(s);
}

static void peeks_end_at_the_limit(void **state)
{
	(void)state;
	struct stream *s[2];
	struct span seen;
	open_pair(s);
	fiber_start("writer", write_much, s[0]);
	assert_true(stream_peek(s[1], STREAM_BUFFER_MAX * 2, &seen));
	assert_in_range(seen.n, STREAM_BUFFER_MAX, STREAM_BUFFER_MAX + 64);
	while (fiber_count() && stream_peek(s[1], 1, &seen))
		stream_consume(s[1], seen.n);
	run_fibers();
	close_pair(s);
}

static void a_peer_that_never_reads_costs_time_and_one_buffer(void **state)
{
	(void)state;
	struct stream *s[2];
	open_pair(s);
	stream_set_timeout(s[0], 50);
	int64_t start = clock_mono_ms();
	size_t before = mallinfo2().uordblks, most = 0;
	char block[10000] = {0};
	for (int i = 0; i < 1000; i++) {
		stream_write(s[0], block, sizeof(block));
		size_t now = mallinfo2().uordblks - before;
		most = now > most ? now : most;
		assert_true(stream_pending(s[0]) <= STREAM_BUFFER_MAX);
	}
	assert_int_equal(stream_flush(s[0]), -1);
	assert_int_equal(stream_state(s[0]), STREAM_TIMEOUT);
	assert_in_range(clock_mono_ms() - start, 50, 20000);
	assert_true(most < 100000);
	assert_int_equal(stream_pending(s[0]), 0);
	close_pair(s);
}

static void deadlines_are_absolute(void **state)
{
	(void)state;
	struct stream *s[2];
	struct span line;
	open_pair(s);
	stream_set_timeout(s[1], 60000);
	stream_set_deadline(s[1], io_deadline(60));
	int64_t start = clock_mono_ms();
	assert_int_equal(stream_read_line(s[1], 100, &line, NULL), -1);
	assert_in_range(clock_mono_ms() - start, 59, 30000);
	close_pair(s);
}

/* Counts the packets by what one read takes. */
static void replies_leave_together(void **state)
{
	(void)state;
	struct stream *s[2];
	struct span line;
	char bytes[100];
	open_pair(s);
	assert_int_equal(write(stream_fd(s[0]), "a\r\nb\r\nc\r\n", 9), 9);
	for (int i = 0; i < 3; i++) {
		assert_int_equal(stream_read_line(s[1], 100, &line, NULL), 1);
		stream_puts(s[1], "ok\r\n");
		assert_int_equal(read(stream_fd(s[0]), bytes, sizeof(bytes)), -1);
	}
	stream_set_timeout(s[1], 10);
	assert_int_equal(stream_read_line(s[1], 100, &line, NULL), -1);
	assert_int_equal(read(stream_fd(s[0]), bytes, sizeof(bytes)), 12);
	close_pair(s);
}

static void read_one_line(void *arg)
{
	struct stream *s = arg;
	struct span line;
	stream_puts(s, "reply\r\n");
	assert_int_equal(stream_read_line(s, 100, &line, NULL), 1);
	assert_int_equal(line.n, 4);
}

/* The command comes while the reply before it waits for room: its edge must not be lost. */
static void news_during_a_flush_are_not_lost(void **state)
{
	(void)state;
	struct stream *s[2];
	char block[4096] = {0};
	open_pair(s);
	stream_set_timeout(s[1], 5000);
	while (write(stream_fd(s[1]), block, sizeof(block)) > 0)
		;
	fiber_start("reader", read_one_line, s[1]);
	loop_turn(0);
	assert_int_equal(write(stream_fd(s[0]), "next\r\n", 6), 6);
	loop_turn(0);
	assert_int_equal(fiber_count(), 1);
	while (read(stream_fd(s[0]), block, sizeof(block)) > 0)
		;
	run_fibers();
	close_pair(s);
}

static void half_closed_peers_still_get_their_answer(void **state)
{
	(void)state;
	struct stream *s[2];
	struct span line;
	char bytes[100];
	open_pair(s);
	assert_int_equal(write(stream_fd(s[0]), "ask\r\nmore", 9), 9);
	shutdown(stream_fd(s[0]), SHUT_WR);
	assert_int_equal(stream_read_line(s[1], 100, &line, NULL), 1);
	assert_int_equal(stream_read_line(s[1], 100, &line, NULL), 0);
	assert_int_equal(stream_state(s[1]), STREAM_EOF);
	assert_string_equal(stream_error(s[1]), "The peer closed the connection.");
	assert_int_equal(stream_read_some(s[1], bytes, 100), 4); /* what was left without its end */
	assert_int_equal(stream_read_some(s[1], bytes, 100), 0);
	stream_printf(s[1], "%s %d", "answer", 42);
	assert_int_equal(stream_flush(s[1]), 0);
	assert_int_equal(read(stream_fd(s[0]), bytes, sizeof(bytes)), 9);
	assert_memory_equal(bytes, "answer 42", 9);
	close_pair(s);
}

static void a_vanished_peer_is_an_error_not_a_signal(void **state)
{
	(void)state;
	struct stream *s[2];
	open_pair(s);
	stream_close(&s[0]);
	stream_puts(s[1], "anybody?");
	assert_int_equal(stream_flush(s[1]), -1);
	assert_int_equal(stream_state(s[1]), STREAM_ERROR);
	assert_string_equal(stream_error(s[1]), "Writing failed: Broken pipe.");
	stream_fail(s[1], "later");
	assert_string_equal(stream_error(s[1]), "Writing failed: Broken pipe.");
	close_pair(s);
}

static void pipes_too(void **state)
{
	(void)state;
	int p[2];
	struct span line;
	assert_int_equal(pipe(p), 0);
	struct stream *in = stream_new(p[0]), *out = stream_new(p[1]);
	stream_puts(out, "through a pipe\n");
	assert_int_equal(stream_flush(out), 0);
	assert_int_equal(stream_read_line(in, 100, &line, NULL), 1);
	assert_int_equal(line.n, 14);
	stream_close(&in);
	stream_puts(out, "x");
	assert_int_equal(stream_flush(out), -1);
	stream_close(&out);
}

/* --- bulk, in both directions at once --- */

enum { BULK = 3000000 };

static uint8_t bulk_byte(size_t i)
{
	return (uint8_t)(i * 31 + i / 1000);
}

static void send_bulk(void *arg)
{
	struct stream *s = arg;
	uint8_t *block = malloc(200000);
	size_t sizes[] = {1, 100, 5000, 16384, 70000, 200000}, at = 0;
	for (size_t i = 0; at < BULK; i++) {
		size_t n = sizes[i % 6] < BULK - at ? sizes[i % 6] : BULK - at;
		for (size_t k = 0; k < n; k++)
			block[k] = bulk_byte(at + k);
		stream_write(s, block, n);
		at += n;
	}
	assert_int_equal(stream_flush(s), 0);
	free(block);
}

static void receive_bulk(void *arg)
{
	struct stream *s = arg;
	uint8_t *block = malloc(100000);
	size_t sizes[] = {3, 65000, 100, 100000, 17000}, at = 0;
	for (size_t i = 0; at < BULK; i++) {
		ssize_t n = stream_read_some(
			s, block, sizes[i % 5] < BULK - at ? sizes[i % 5] : BULK - at);
		assert_true(n > 0);
		for (ssize_t k = 0; k < n; k++)
			assert_int_equal(block[k], bulk_byte(at + (size_t)k));
		at += (size_t)n;
	}
	free(block);
}

static void readers_and_writers_share_a_stream(void **state)
{
	(void)state;
	struct stream *s[2];
	open_pair(s);
	for (int i = 0; i < 2; i++) {
		fiber_start("send", send_bulk, s[i]);
		fiber_start("receive", receive_bulk, s[i]);
	}
	run_fibers();
	close_pair(s);
}

struct talker {
	struct stream *s;
	char c;
};

static void talk(void *arg)
{
	struct talker *t = arg;
	char line[1002];
	memset(line, t->c, 1000);
	memcpy(line + 1000, "\r\n", 2);
	for (int i = 0; i < 300; i++) {
		stream_write(t->s, line, sizeof(line));
		assert_int_equal(stream_flush(t->s), 0);
	}
}

static void several_writers_keep_their_lines_whole(void **state)
{
	(void)state;
	struct stream *s[2];
	struct span line;
	open_pair(s);
	struct talker t[3] = {{s[0], 'a'}, {s[0], 'b'}, {s[0], 'c'}};
	for (int i = 0; i < 3; i++)
		fiber_start("talk", talk, &t[i]);
	for (int i = 0; i < 900; i++) {
		assert_int_equal(stream_read_line(s[1], 1000, &line, NULL), 1);
		assert_int_equal(line.n, 1000);
		assert_int_equal(line.p[0], line.p[999]);
	}
	run_fibers();
	close_pair(s);
}

static void shout(void *arg)
{
	struct talker *t = arg;
	char *block = malloc(100000);
	memset(block, t->c, 100000);
	for (int i = 0; i < 5; i++)
		stream_write(t->s, block, 100000);
	stream_flush(t->s);
	free(block);
}

static void several_writers_keep_large_writes_whole(void **state)
{
	(void)state;
	struct stream *s[2];
	char *block = malloc(100000);
	open_pair(s);
	struct talker t[3] = {{s[0], 'a'}, {s[0], 'b'}, {s[0], 'c'}};
	for (int i = 0; i < 3; i++)
		fiber_start("shout", shout, &t[i]);
	for (int i = 0; i < 15; i++) {
		assert_true(stream_read_exact(s[1], block, 100000));
		assert_memory_equal(block, block + 1, 99999);
	}
	run_fibers();
	free(block);
	close_pair(s);
}

/* --- files --- */

struct file_job {
	struct stream *s;
	int fd;
	uint64_t at, n;
};

static void send_file(void *arg)
{
	struct file_job *j = arg;
	stream_puts(j->s, "<");
	stream_send_file(j->s, j->fd, j->at, j->n);
	stream_puts(j->s, ">");
	stream_flush(j->s);
}

static void files_arrive_whole(void **state)
{
	(void)state;
	enum { SIZE = 1000000 };
	char path[] = "/tmp/thurn-send-XXXXXX";
	int fd = mkstemp(path);
	char *bytes = malloc(SIZE + 2), *want = malloc(SIZE);
	for (size_t i = 0; i < SIZE; i++)
		want[i] = (char)bulk_byte(i);
	assert_int_equal(os_pwrite_all(fd, want, SIZE, 0), 0);
	fsync(fd);
	const uint64_t sizes[] = {1, 4000, 32768, 300000, 999000};
	for (int cold = 0; cold < 2; cold++)
		for (size_t i = 0; i < 5; i++) {
			struct stream *s[2];
			open_pair(s);
			struct file_job job = {s[0], fd, 1000, sizes[i]};
			if (cold)
				posix_fadvise(fd, 0, 0, POSIX_FADV_DONTNEED);
			fiber_start("send", send_file, &job);
			assert_true(stream_read_exact(s[1], bytes, sizes[i] + 2));
			assert_int_equal(bytes[0], '<');
			assert_memory_equal(bytes + 1, want + 1000, sizes[i]);
			assert_int_equal(bytes[sizes[i] + 1], '>');
			run_fibers();
			close_pair(s);
		}
	for (size_t i = 0; i < 2; i++) { /* shorter than was said: through memory and by sendfile */
		struct stream *s[2];
		open_pair(s);
		struct file_job job = {s[0], fd, SIZE - 500, i ? 100000 : 1000};
		fiber_start("send", send_file, &job);
		run_fibers();
		assert_int_equal(stream_state(s[0]), STREAM_ERROR);
		assert_string_equal(
			stream_error(s[0]), "The file ended before what was to be sent of it.");
		close_pair(s);
	}
	free(bytes);
	free(want);
	close(fd);
	unlink(path);
}

/* --- cost --- */

static void echo_lines(void *arg)
{
	struct stream *s = arg;
	struct span line;
	while (stream_read_line(s, 1000, &line, NULL) == 1) {
		stream_write_span(s, line);
		stream_puts(s, "\r\n");
	}
	stream_close(&s);
}

static void idle_streams_hold_no_buffers(void **state)
{
	(void)state;
	enum { STREAMS = 100 };
	int sv[STREAMS][2];
	char bytes[100];
	size_t before = mallinfo2().uordblks;
	if (os_stack_size() != OS_STACK_SIZE)
		skip(); /* the sanitizer has an allocator of its own */
	for (int i = 0; i < STREAMS; i++) {
		make_pair(sv[i]);
		fiber_start("echo", echo_lines, stream_new(sv[i][1]));
	}
	for (int round = 0; round < 3; round++) {
		for (int i = 0; i < STREAMS; i++)
			assert_int_equal(write(sv[i][0], "hello\r\n", 7), 7);
		loop_turn(100);
		loop_turn(0);
		for (int i = 0; i < STREAMS; i++)
			assert_int_equal(read(sv[i][0], bytes, 100), 7);
	}
	assert_true(mallinfo2().uordblks - before < STREAMS * 300 + 20000);
	for (int i = 0; i < STREAMS; i++)
		close(sv[i][0]);
	run_fibers();
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(peeking),
		cmocka_unit_test(peeks_end_at_the_limit),
		cmocka_unit_test(a_peer_that_never_reads_costs_time_and_one_buffer),
		cmocka_unit_test(deadlines_are_absolute),
		cmocka_unit_test(replies_leave_together),
		cmocka_unit_test(news_during_a_flush_are_not_lost),
		cmocka_unit_test(half_closed_peers_still_get_their_answer),
		cmocka_unit_test(a_vanished_peer_is_an_error_not_a_signal),
		cmocka_unit_test(pipes_too),
		cmocka_unit_test(readers_and_writers_share_a_stream),
		cmocka_unit_test(several_writers_keep_their_lines_whole),
		cmocka_unit_test(several_writers_keep_large_writes_whole),
		cmocka_unit_test(files_arrive_whole),
		cmocka_unit_test(idle_streams_hold_no_buffers),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
