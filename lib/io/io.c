#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <stddef.h>
#include <sys/un.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/log.h"
#include "io/sched.h"

#define WANTS_MAX     16
#define UNIX_RETRY_MS 20 /* a Unix socket whose backlog is full can't be waited for */

/* --- waiting --- */

static int poll_ms(int64_t deadline)
{
	if (deadline == IO_FOREVER)
		return -1;
	int64_t left = deadline - clock_mono_ms();
	return left < 0 ? 0 : left > INT32_MAX ? INT32_MAX : (int)left;
}

static int from_poll(short bits, int events)
{
	int got = 0;
	if (bits & POLLNVAL)
		return -1;
	if (bits & (POLLIN | POLLHUP | POLLERR | POLLRDHUP))
		got |= LOOP_READ;
	if (bits & (POLLOUT | POLLHUP | POLLERR))
		got |= LOOP_WRITE;
	return got & events;
}

/* Blocks the thread. */
static int poll_wants(struct io_want *wants, size_t n, int64_t deadline)
{
	struct pollfd fds[WANTS_MAX];
	for (size_t i = 0; i < n; i++) {
		short bits = (wants[i].events & LOOP_READ ? POLLIN | POLLRDHUP : 0) |
			     (wants[i].events & LOOP_WRITE ? POLLOUT : 0);
		fds[i] = (struct pollfd){.fd = wants[i].fd, .events = bits};
	}
	int count;
	do
		count = poll(fds, n, poll_ms(deadline));
	while ((count < 0 && errno == EINTR) ||
		(count == 0 && deadline != IO_FOREVER && clock_mono_ms() < deadline));
	for (size_t i = 0; i < n && count > 0; i++) {
		wants[i].got = from_poll(fds[i].revents, wants[i].events);
		if (wants[i].got < 0) {
			errno = EBADF;
			return -1;
		}
	}
	return count == 0 ? IO_TIMEOUT : count;
}

int fd_wait(struct io_want *wants, size_t n, int64_t deadline)
{
	if (n > WANTS_MAX)
		log_panic("a wait for %zu descriptors", n);
	if (loop_may_block(loop_peek()))
		return poll_wants(wants, n, deadline);
	return fd_park(loop_get(), wants, n, deadline);
}

int io_wait_any(struct io_want *wants, size_t n, int64_t deadline)
{
	if (n > WANTS_MAX)
		log_panic("a wait for %zu descriptors", n);
	/* Edges may have been seen and used before: the level counts. */
	int rc = poll_wants(wants, n, 0);
	return rc == IO_TIMEOUT ? fd_wait(wants, n, deadline) : rc;
}

int io_wait(int fd, int events, int64_t deadline)
{
	struct io_want want = {.fd = fd, .events = events};
	int rc = io_wait_any(&want, 1, deadline);
	return rc > 0 ? want.got : rc;
}

/* After a call has failed: true when it is to be made again, else *rc_r is the result. */
static bool again(int fd, int events, int64_t deadline, int *rc_r)
{
	*rc_r = -1;
	if (errno == EINTR)
		return true;
	if (errno != EAGAIN && errno != EWOULDBLOCK)
		return false;
	struct io_want want = {.fd = fd, .events = events};
	int rc = fd_wait(&want, 1, deadline);
	if (rc < 0)
		*rc_r = rc;
	return rc > 0;
}

/* --- bytes --- */

ssize_t io_read(int fd, void *p, size_t n, int64_t deadline)
{
	int rc;
	do {
		fd_clear(fd);
		ssize_t got = read(fd, p, n);
		if (got >= 0)
			return got;
	} while (again(fd, LOOP_READ, deadline, &rc));
	return rc;
}

ssize_t io_write(int fd, const void *p, size_t n, int64_t deadline)
{
	int rc;
	do {
		ssize_t done = write(fd, p, n);
		if (done >= 0)
			return done;
	} while (again(fd, LOOP_WRITE, deadline, &rc));
	return rc;
}

ssize_t io_send_fds(
	int sock, const void *p, size_t n, const int *fds, size_t nfds, int64_t deadline)
{
	int rc;
	do {
		ssize_t done = os_send_fds(sock, p, n, fds, nfds);
		if (done >= 0)
			return done;
	} while (again(sock, LOOP_WRITE, deadline, &rc));
	return rc;
}

ssize_t io_recv_fds(int sock, void *p, size_t n, int *fds_r, size_t *nfds_r, int64_t deadline)
{
	int rc;
	do {
		fd_clear(sock);
		ssize_t got = os_recv_fds(sock, p, n, fds_r, nfds_r);
		if (got >= 0)
			return got;
	} while (again(sock, LOOP_READ, deadline, &rc));
	return rc;
}

/* --- connections --- */

int io_accept(int fd, struct sockaddr_storage *peer_r, socklen_t *len_r, int64_t deadline)
{
	int rc;
	do {
		*len_r = sizeof(*peer_r);
		fd_clear(fd);
		int got =
			accept4(fd, (struct sockaddr *)peer_r, len_r, SOCK_NONBLOCK | SOCK_CLOEXEC);
		if (got >= 0) {
			fd_forget(got);
			return got;
		}
		if (errno == ECONNABORTED || errno == EPROTO)
			errno = EINTR; /* gone before it was taken */
	} while (again(fd, LOOP_READ, deadline, &rc));
	return rc;
}

static int open_socket(int family, const struct sockaddr *bind_to, socklen_t bind_len)
{
	int one = 1, fd = socket(family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	if (fd < 0)
		return -1;
	fd_forget(fd);
	if (family == AF_INET || family == AF_INET6)
		setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof(one));
	if (bind_to && bind(fd, bind_to, bind_len) < 0) {
		int cause = errno;
		close(fd);
		errno = cause;
		return -1;
	}
	return fd;
}

/* 0 connected, else as io_wait. */
static int finish_connect(int fd, int64_t deadline)
{
	struct io_want want = {.fd = fd, .events = LOOP_WRITE};
	int rc = fd_wait(&want, 1, deadline), cause = 0;
	socklen_t len = sizeof(cause);
	if (rc < 0)
		return rc;
	if (getsockopt(fd, SOL_SOCKET, SO_ERROR, &cause, &len) < 0)
		return -1;
	errno = cause;
	return cause ? -1 : 0;
}

static int try_connect(int fd, const struct sockaddr *to, socklen_t len, int64_t deadline)
{
	for (;;) {
		if (connect(fd, to, len) == 0)
			return 0;
		if (errno == EINPROGRESS || errno == EINTR)
			return finish_connect(fd, deadline);
		if (errno != EAGAIN || to->sa_family != AF_UNIX)
			return -1;
		if (clock_mono_ms() >= deadline)
			return IO_TIMEOUT;
		io_sleep(UNIX_RETRY_MS);
	}
}

int io_connect(const struct sockaddr *to, socklen_t len, const struct sockaddr *bind_to,
	socklen_t bind_len, int64_t deadline)
{
	int fd = open_socket(to->sa_family, bind_to, bind_len);
	if (fd < 0)
		return -1;
	int rc = try_connect(fd, to, len, deadline);
	if (rc == 0)
		return fd;
	int cause = errno;
	io_close(&fd);
	errno = cause;
	return rc;
}

int io_connect_unix(const char *path, int64_t deadline)
{
	struct sockaddr_un to = {.sun_family = AF_UNIX};
	size_t n = strlen(path);
	if (n >= sizeof(to.sun_path)) {
		errno = ENAMETOOLONG;
		return -1;
	}
	memcpy(to.sun_path, path, n);
	return io_connect((struct sockaddr *)&to, sizeof(to), NULL, 0, deadline);
}
