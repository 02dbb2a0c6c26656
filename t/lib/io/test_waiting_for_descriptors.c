/* A wait ends with readiness, the deadline or the close of its descriptor, and is never lost. */
#include <fcntl.h>

#include "test.h"

struct end {
	int fd;
	int64_t ms;
	ssize_t result;
	int error;
	char bytes[16];
};

static void read_end(void *arg)
{
	struct end *e = arg;
	e->result =
		io_read(e->fd, e->bytes, sizeof(e->bytes), e->ms ? io_deadline(e->ms) : IO_FOREVER);
	e->error = errno;
}

static void deadlines_end_waits(void **state)
{
	(void)state;
	int sv[2];
	make_pair(sv);
	struct end e = {.fd = sv[0], .ms = 30};
	int64_t start = clock_mono_ms();
	fiber_start("reader", read_end, &e);
	run_fibers();
	assert_int_equal(e.result, IO_TIMEOUT);
	assert_in_range(clock_mono_ms() - start, 30, 20000);
	/* outside fibers: the thread blocks */
	assert_int_equal(io_read(sv[0], e.bytes, 1, io_deadline(20)), IO_TIMEOUT);
	assert_int_equal(io_wait(sv[0], LOOP_READ, 0), IO_TIMEOUT);
	assert_int_equal(io_wait(sv[0], LOOP_WRITE | LOOP_READ, 0), LOOP_WRITE);
	io_close(&sv[0]);
	io_close(&sv[1]);
	assert_int_equal(sv[1], -1);
}

static void fill_up(int fd)
{
	char block[4096] = {0};
	while (write(fd, block, sizeof(block)) > 0)
		;
}

static void write_end(void *arg)
{
	struct end *e = arg;
	e->result = io_write(e->fd, "x", 1, IO_FOREVER);
}

static void one_reads_and_one_writes_the_same_descriptor(void **state)
{
	(void)state;
	int sv[2];
	char block[4096];
	make_pair(sv);
	fill_up(sv[0]);
	struct end r = {.fd = sv[0]}, w = {.fd = sv[0]};
	fiber_start("reader", read_end, &r);
	fiber_start("writer", write_end, &w);
	loop_turn(0);
	assert_int_equal(fiber_count(), 2);
	assert_int_equal(write(sv[1], "abc", 3), 3);
	while (fiber_count() == 2)
		loop_turn(100);
	assert_int_equal(r.result, 3);
	assert_int_equal(w.result, 0);
	while (read(sv[1], block, sizeof(block)) > 0)
		;
	run_fibers();
	assert_int_equal(w.result, 1);
	io_close(&sv[0]);
	io_close(&sv[1]);
}

static void close_ends_the_waits_of_others(void **state)
{
	(void)state;
	int sv[2];
	make_pair(sv);
	struct end e = {.fd = sv[0]};
	fiber_start("reader", read_end, &e);
	loop_turn(0);
	io_close(&sv[0]);
	run_fibers();
	assert_int_equal(e.result, -1);
	assert_int_equal(e.error, EBADF);
	/* The number's next owner has its own news only. */
	int other[2];
	make_pair(other);
	assert_int_equal(other[0], e.fd);
	e = (struct end){.fd = other[0]};
	fiber_start("reader", read_end, &e);
	loop_turn(10);
	assert_int_equal(write(other[1], "new", 3), 3);
	run_fibers();
	assert_int_equal(e.result, 3);
	io_close(&other[0]);
	io_close(&other[1]);
	io_close(&sv[1]);
}

static void wait_twice(void *arg)
{
	struct end *e = arg;
	char byte;
	assert_int_equal(io_wait(e->fd, LOOP_READ, io_deadline(20000)), LOOP_READ);
	assert_int_equal(read(e->fd, &byte, 1), 1);
	/* The edge is used up, the level is not. */
	assert_int_equal(io_wait(e->fd, LOOP_READ, io_deadline(20000)), LOOP_READ);
	assert_int_equal(read(e->fd, &byte, 1), 1);
	assert_int_equal(io_wait(e->fd, LOOP_READ, io_deadline(10)), IO_TIMEOUT);
	e->result = 1;
}

static void what_is_left_counts(void **state)
{
	(void)state;
	int sv[2];
	make_pair(sv);
	struct end e = {.fd = sv[0]};
	fiber_start("reader", wait_twice, &e);
	loop_turn(0);
	assert_int_equal(write(sv[1], "ab", 2), 2);
	run_fibers();
	assert_int_equal(e.result, 1);
	io_close(&sv[0]);
	io_close(&sv[1]);
}

struct many {
	struct io_want wants[3];
	int rc;
};

static void wait_many(void *arg)
{
	struct many *m = arg;
	m->rc = io_wait_any(m->wants, 3, io_deadline(20000));
}

static void the_first_of_several(void **state)
{
	(void)state;
	int sv[3][2];
	struct many m = {0};
	for (int i = 0; i < 3; i++) {
		make_pair(sv[i]);
		m.wants[i] = (struct io_want){.fd = sv[i][0], .events = LOOP_READ};
	}
	for (int round = 0; round < 3; round++) {
		char byte;
		fiber_start("waiter", wait_many, &m);
		loop_turn(0);
		assert_int_equal(write(sv[round][1], "x", 1), 1);
		run_fibers();
		assert_int_equal(m.rc, 1);
		for (int i = 0; i < 3; i++)
			assert_int_equal(m.wants[i].got, i == round ? LOOP_READ : 0);
		assert_int_equal(read(sv[round][0], &byte, 1), 1);
	}
	for (int i = 0; i < 3; i++) {
		io_close(&sv[i][0]);
		io_close(&sv[i][1]);
	}
}

static void hang_ups_and_files(void **state)
{
	(void)state;
	int sv[2], fd = open("/proc/self/exe", O_RDONLY | O_CLOEXEC);
	make_pair(sv);
	struct end e = {.fd = sv[0]}, file = {.fd = fd};
	fiber_start("reader", read_end, &e);
	fiber_start("file", read_end, &file);
	loop_turn(0);
	io_close(&sv[1]);
	run_fibers();
	assert_int_equal(e.result, 0);
	assert_int_equal(file.result, 16);
	assert_int_equal(io_wait(fd, LOOP_READ, 0), LOOP_READ);
	io_close(&sv[0]);
	close(fd);
	assert_int_equal(io_wait(fd, LOOP_READ, 0), -1);
	assert_int_equal(errno, EBADF);
}

struct echo {
	int fd;
	unsigned rounds;
};

static void echo(void *arg)
{
	struct echo *e = arg;
	char bytes[64];
	for (ssize_t n; (n = io_read(e->fd, bytes, sizeof(bytes), IO_FOREVER)) > 0;)
		assert_int_equal(io_write(e->fd, bytes, (size_t)n, IO_FOREVER), n);
	io_close(&e->fd);
}

static void ask(void *arg)
{
	struct echo *e = arg;
	for (unsigned i = 0; i < e->rounds; i++) {
		uint64_t said = i * 77, heard = 0;
		assert_int_equal(io_write(e->fd, &said, 8, IO_FOREVER), 8);
		assert_int_equal(io_read(e->fd, &heard, 8, io_deadline(30000)), 8);
		assert_int_equal(said, heard);
	}
	io_close(&e->fd);
}

static void hundreds_of_conversations_at_once(void **state)
{
	(void)state;
	enum { PAIRS = 300 };
	static struct echo ends[PAIRS][2];
	for (int i = 0; i < PAIRS; i++) {
		int sv[2];
		make_pair(sv);
		ends[i][0] = (struct echo){sv[0], 0};
		ends[i][1] = (struct echo){sv[1], 50};
		fiber_start("echo", echo, &ends[i][0]);
		fiber_start("ask", ask, &ends[i][1]);
	}
	run_fibers();
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(deadlines_end_waits),
		cmocka_unit_test(one_reads_and_one_writes_the_same_descriptor),
		cmocka_unit_test(close_ends_the_waits_of_others),
		cmocka_unit_test(what_is_left_counts),
		cmocka_unit_test(the_first_of_several),
		cmocka_unit_test(hang_ups_and_files),
		cmocka_unit_test(hundreds_of_conversations_at_once),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
