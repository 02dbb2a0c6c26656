/* The line reader against a plain one, over a socket, for any bytes, limit and cutting. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#include "base/str.h"
#include "io/io.h"
#include "io/loop.h"
#include "io/stream.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

struct sender {
	int fd;
	struct span bytes;
	size_t step;
};

static void send_pieces(void *arg)
{
	struct sender *s = arg;
	while (s->bytes.n) {
		size_t n = s->step < s->bytes.n ? s->step : s->bytes.n;
		ssize_t done = io_write(s->fd, s->bytes.p, n, IO_FOREVER);
		if (done <= 0)
			abort();
		s->bytes = span_make(s->bytes.p + done, s->bytes.n - (size_t)done);
		fiber_yield();
	}
	io_close(&s->fd);
}

static void put_line(struct str *out, int rc, struct span line, bool crlf)
{
	if (rc == 1)
		str_add_span(out, line);
	str_puts(out, rc != 1 ? "<too long>\n" : crlf ? "<crlf>\n" : "<lf>\n");
}

static void split_plainly(struct span rest, size_t max, struct str *out)
{
	for (size_t lf; (lf = span_index(rest, 0, '\n')) < rest.n;) {
		struct span line = span_make(rest.p, lf);
		bool crlf = lf && line.p[lf - 1] == '\r';
		line.n -= crlf;
		put_line(out, line.n > max ? STREAM_TOO_LONG : 1, line, crlf);
		rest = span_make(rest.p + lf + 1, rest.n - lf - 1);
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	int sv[2];
	if (size < 2 || socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0, sv) != 0)
		return 0;
	size_t max = data[0], step = data[1] ? data[1] : 5000;
	struct span bytes = span_make(data + 2, size - 2), line;
	struct sender sender = {sv[0], bytes, step};
	struct stream *s = stream_new(sv[1]);
	struct str got = STR_INIT, want = STR_INIT;
	bool crlf = false;
	fiber_start("sender", send_pieces, &sender);
	for (int rc; (rc = stream_read_line(s, max, &line, &crlf)) != 0;) {
		if (rc == -1)
			abort();
		put_line(&got, rc, line, crlf);
	}
	while (fiber_count())
		loop_turn(100);
	split_plainly(bytes, max, &want);
	if (!span_eq(str_span(&got), str_span(&want)))
		abort();
	stream_close(&s);
	str_fini(&got);
	str_fini(&want);
	return 0;
}
