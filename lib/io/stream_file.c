/*
 * Files into streams, by pread or sendfile and never mapped: a file that shrinks is this stream's
 * failure, not a SIGBUS. Small pieces travel in the buffer with the text around them.
 */
#include <errno.h>
#include <stdlib.h>
#include <sys/sendfile.h>
#include <sys/uio.h>
#include <unistd.h>

#include "base/num.h"
#include "io/io.h"
#include "io/stream_impl.h"

#define SENDFILE_MIN (32 * 1024)
#define CHUNK_MAX    (128 * 1024) /* between two looks whether the file is in memory */
#define BLOCK_MAX    (64 * 1024)

static void fail_read(struct stream *s, ssize_t got)
{
	if (got == 0)
		stream_fail(s, "The file ended before what was to be sent of it.");
	else
		stream_fail_errno(s, "The file can't be read");
}

/* Through memory. */
static void copy(struct stream *s, int fd, uint64_t at, uint64_t n)
{
	size_t size = (size_t)(n < BLOCK_MAX ? n : BLOCK_MAX);
	char *block = mem_realloc(NULL, size);
	while (n && !stream_is_dead(s)) {
		ssize_t got = io_pread(fd, block, n < size ? (size_t)n : size, at);
		if (got <= 0) {
			fail_read(s, got);
			break;
		}
		stream_write(s, block, (size_t)got);
		at += (uint64_t)got;
		n -= (uint64_t)got;
	}
	free(block);
}

struct range {
	int fd;
	uint64_t at;
	size_t n;
};

static bool is_cold(const struct range *r)
{
	char byte;
	struct iovec iov = {.iov_base = &byte, .iov_len = 1};
	for (unsigned part = 0; part < 4; part++) {
		uint64_t at = r->at + (r->n - 1) * part / 3;
		if (preadv2(r->fd, &iov, 1, (off_t)at, RWF_NOWAIT) < 0 && errno == EAGAIN)
			return true;
	}
	return false;
}

/* On a helper thread. */
static int warm(void *arg)
{
	struct range *r = arg;
	char block[16 * 1024];
	for (size_t done = 0; done < r->n; done += sizeof(block))
		if (pread(r->fd, block, sizeof(block), (off_t)(r->at + done)) <= 0)
			break;
	return 0;
}

/* Bytes sent; 0 after a wait; -1 when the stream has failed. */
static ssize_t send_chunk(struct stream *s, const struct range *r)
{
	off_t at = (off_t)r->at;
	ssize_t done = sendfile(s->fd, r->fd, &at, r->n);
	if (done > 0)
		return done;
	if (done < 0 && (errno == EAGAIN || errno == EINTR))
		return errno == EINTR || stream_wait(s, LOOP_WRITE) ? 0 : -1;
	if (done == 0)
		fail_read(s, 0);
	else
		stream_fail_errno(s, "Sending a file failed");
	return -1;
}

static void send_directly(struct stream *s, int fd, uint64_t at, uint64_t n)
{
	uint64_t checked = at;
	while (n && !stream_is_dead(s)) {
		struct range r = {.fd = fd, .at = at, .n = (size_t)(n < CHUNK_MAX ? n : CHUNK_MAX)};
		if (at >= checked) {
			checked = at + r.n;
			if (is_cold(&r))
				io_call(warm, &r);
		}
		ssize_t done = send_chunk(s, &r);
		if (done > 0) {
			at += (uint64_t)done;
			n -= (uint64_t)done;
		}
		fiber_breathe();
	}
}

void stream_send_file(struct stream *s, int fd, uint64_t at, uint64_t n)
{
	if (stream_is_dead(s) || !n)
		return;
	if (s->functions || s->no_socket || n < SENDFILE_MIN) {
		copy(s, fd, at, n);
		return;
	}
	if (stream_begin_flush(s)) {
		stream_flush_all(s);
		send_directly(s, fd, at, n);
	}
	stream_end_flush(s);
}
