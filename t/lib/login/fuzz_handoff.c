/*
 * What a login program hands over, if it were hijacked: any bytes to a worker that waits for a session (first octet: the size of
 * the pieces; with an odd one a descriptor comes along with each). They are a session within the limits or a reason, and no
 * descriptor stays open.
 */
#include <dirent.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/log.h"
#include "io/io.h"
#include "io/loop.h"
#include "io/stream.h"
#include "login/messages.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

struct side {
	int fd;
	struct span bytes;
	size_t step;
	bool with_fd;
};

static void hand_over(void *arg)
{
	struct side *s = arg;
	while (s->bytes.n) {
		size_t n = s->step < s->bytes.n ? s->step : s->bytes.n;
		ssize_t done = io_send_fds(s->fd, s->bytes.p, n, &s->fd, s->with_fd, IO_FOREVER);
		if (done <= 0)
			break;
		s->bytes = span_make(s->bytes.p + done, s->bytes.n - (size_t)done);
		fiber_yield();
	}
	shutdown(s->fd, SHUT_WR);
	char answer[64];
	while (io_read(s->fd, answer, sizeof(answer), IO_FOREVER) > 0)
		;
	io_close(&s->fd);
}

static void receive(void *arg)
{
	int *fd = arg;
	struct pool *pool = pool_new("fuzz");
	struct login_handoff h;
	const char *err = NULL;
	int client = -1;
	int rc = handoff_receive(*fd, pool, &h, IO_FOREVER, &err);
	if (rc == 0 && (h.input.n > STREAM_BUFFER_MAX || !h.tag || !h.peer_ip || !h.session || !h.service))
		abort();
	if (rc == 0) {
		client = handoff_take(fd, IO_FOREVER, &err);
		if (client < -1)
			abort();
	}
	if ((rc < 0 || client < 0) && !err)
		abort();
	io_close(&client);
	io_close(fd);
	pool_free(&pool);
}

static unsigned open_descriptors(void)
{
	DIR *dir = opendir("/proc/self/fd");
	unsigned n = 0;
	if (!dir)
		abort();
	while (readdir(dir))
		n++;
	closedir(dir);
	return n;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static unsigned before; /* the loop's own are there from the second input on */
	static bool warm;
	int sv[2];
	if (size < 1 || socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0, sv) != 0)
		return 0;
	struct side s = {sv[0], span_make(data + 1, size - 1), data[0] ? data[0] : 5000, data[0] & 1};
	fiber_start("worker", receive, &sv[1]);
	fiber_start("login", hand_over, &s);
	while (fiber_count())
		loop_turn(1000);
	unsigned now = open_descriptors();
	if (warm && now > before)
		log_panic("%u descriptors are left", now - before);
	before = now;
	warm = true;
	return 0;
}
