/*
 * What the scheduler costs, in ratios to watch when it changes: switches, echoed lines, helper
 *calls, commits, and memory for each idle connection. Not part of the checks: make BUILD=...
 *$BUILD/t/lib/io/bench_fiber && $BUILD/t/lib/io/bench_fiber
 */
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/str.h"
#include "io/commit.h"
#include "io/io.h"
#include "io/loop.h"
#include "io/stream.h"
#include "os/os.h"

static void run_fibers(void)
{
	while (fiber_count())
		loop_turn(1000);
}

static double seconds_since(int64_t start_us)
{
	return (double)(clock_mono_us() - start_us) / 1e6;
}

/* --- switches --- */

enum { YIELDS = 1000000, YIELDERS = 100 };

static void yield_many(void *arg)
{
	for (int i = 0; i < *(int *)arg; i++)
		fiber_yield();
}

static void bench_switches(void)
{
	int each = YIELDS / YIELDERS;
	for (int i = 0; i < YIELDERS; i++)
		fiber_start("yields", yield_many, &each);
	int64_t start = clock_mono_us();
	run_fibers();
	printf("yield (out and in again)      %8.1f ns\n", seconds_since(start) / YIELDS * 1e9);
}

static void nothing(void *arg)
{
	++*(int *)arg;
}

static void bench_starts(void)
{
	int n = 0;
	int64_t start = clock_mono_us();
	while (n < 200000) {
		for (int i = 0; i < 50; i++)
			fiber_start("short", nothing, &n);
		loop_turn(0);
	}
	printf("start and end of a fiber      %8.1f ns\n", seconds_since(start) / n * 1e9);
}

/* --- lines --- */

static void echo(void *arg)
{
	struct stream *s = arg;
	struct span line;
	while (stream_read_line(s, 1000, &line, NULL) == 1) {
		stream_write_span(s, line);
		stream_puts(s, "\r\n");
	}
	stream_close(&s);
}

enum { LINES = 200000 };

struct asker {
	struct stream *s;
	int lines, depth;
};

static void ask(void *arg)
{
	struct asker *a = arg;
	struct span line;
	for (int i = 0; i < a->lines; i += a->depth) {
		for (int k = 0; k < a->depth; k++)
			stream_puts(a->s, "RCPT TO:<somebody@sandbox.test>\r\n");
		for (int k = 0; k < a->depth; k++)
			if (stream_read_line(a->s, 1000, &line, NULL) != 1)
				abort();
	}
	stream_close(&a->s);
}

static void bench_echo(int pairs, int depth)
{
	struct asker *askers = calloc((size_t)pairs, sizeof(*askers));
	for (int i = 0; i < pairs; i++) {
		int sv[2];
		if (socketpair(AF_UNIX, SOCK_STREAM, 0, sv) != 0)
			abort();
		askers[i] = (struct asker){stream_new(sv[1]), LINES / pairs, depth};
		fiber_start("echo", echo, stream_new(sv[0]));
		fiber_start("ask", ask, &askers[i]);
	}
	int64_t start = clock_mono_us();
	run_fibers();
	printf("echo, %4d pairs, %2d at a time %8.0f lines/s\n", pairs, depth,
		LINES / seconds_since(start));
	free(askers);
}

/* --- helper threads and commits --- */

static int no_work(void *arg)
{
	(void)arg;
	return 0;
}

static void call_many(void *arg)
{
	for (int i = 0; i < *(int *)arg; i++)
		io_call(no_work, NULL);
}

static void bench_calls(int fibers)
{
	int each = 20000 / fibers;
	for (int i = 0; i < fibers; i++)
		fiber_start("calls", call_many, &each);
	int64_t start = clock_mono_us();
	run_fibers();
	printf("io_call, %2d fibers            %8.1f us\n", fibers,
		seconds_since(start) / 20000 * 1e6);
}

enum { FILE_BYTES = 16 << 20, RECORD = 4096, COMMITS = 4000 };

struct writer {
	struct commit *c;
	int fd, n;
	uint64_t *at;
};

static void write_and_commit(void *arg)
{
	struct writer *w = arg;
	char record[RECORD];
	memset(record, 'r', sizeof(record));
	for (int i = 0; i < w->n; i++) {
		uint64_t at = *w->at;
		*w->at = (at + RECORD) % FILE_BYTES;
		if (os_pwrite_all(w->fd, record, RECORD, at) != 0 || commit_wait(w->c) != 0)
			abort();
	}
}

static int open_prepared_file(void)
{
	char path[] = "bench-commit-XXXXXX", block[65536] = {0};
	int fd = mkstemp(path);
	if (fd < 0)
		abort();
	unlink(path);
	for (uint64_t at = 0; at < FILE_BYTES; at += sizeof(block))
		os_pwrite_all(fd, block, sizeof(block), at);
	fsync(fd);
	return fd;
}

static void bench_commit(int fibers)
{
	uint64_t at = 0, syncs, waits;
	int fd = open_prepared_file();
	struct writer w = {commit_new(fd, NULL), fd, COMMITS / fibers, &at};
	for (int i = 0; i < fibers; i++)
		fiber_start("writer", write_and_commit, &w);
	int64_t start = clock_mono_us();
	run_fibers();
	commit_stats(w.c, &syncs, &waits);
	printf("commit, %2d fibers             %8.0f /s, %4.1f in one sync\n", fibers,
		(double)waits / seconds_since(start), (double)waits / (double)syncs);
	commit_free(&w.c);
	close(fd);
}

static void bench_plain_syncs(void)
{
	char record[RECORD] = {0};
	int fd = open_prepared_file();
	int64_t start = clock_mono_us();
	for (uint64_t i = 0; i < 1000; i++)
		if (os_pwrite_all(fd, record, RECORD, i * RECORD) != 0 || fdatasync(fd) != 0)
			abort();
	printf("pwrite and fdatasync, no fiber %7.0f /s\n", 1000 / seconds_since(start));
	close(fd);
}

/* --- memory --- */

static size_t resident_bytes(void)
{
	unsigned long total = 0, resident = 0;
	FILE *f = fopen("/proc/self/statm", "r");
	if (!f || fscanf(f, "%lu %lu", &total, &resident) != 2)
		abort();
	fclose(f);
	return resident * (size_t)sysconf(_SC_PAGESIZE);
}

static void bench_idle(void)
{
	enum { IDLE = 2000 };
	static int peers[IDLE];
	char reply[16];
	size_t before = resident_bytes();
	for (int i = 0; i < IDLE; i++) {
		int sv[2];
		if (socketpair(AF_UNIX, SOCK_STREAM, 0, sv) != 0)
			abort();
		peers[i] = sv[1];
		fiber_start("echo", echo, stream_new(sv[0]));
	}
	for (int i = 0; i < IDLE; i++)
		if (write(peers[i], "hello\r\n", 7) != 7)
			abort();
	for (int64_t end = clock_mono_ms() + 1500; clock_mono_ms() < end;)
		loop_turn(end - clock_mono_ms());
	printf("idle connection, resident     %8.1f KiB\n",
		(double)(resident_bytes() - before) / IDLE / 1024);
	for (int i = 0; i < IDLE; i++) {
		if (read(peers[i], reply, sizeof(reply)) != 7)
			abort();
		close(peers[i]);
	}
	run_fibers();
}

int main(void)
{
	bench_idle();
	bench_switches();
	bench_starts();
	bench_echo(1, 1);
	bench_echo(100, 1);
	bench_echo(100, 10);
	bench_calls(1);
	bench_calls(8);
	bench_plain_syncs();
	bench_commit(1);
	bench_commit(8);
	bench_commit(16);
	loop_close();
	return 0;
}
