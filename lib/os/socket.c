#include "os/os.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/log.h"

union control {
	struct cmsghdr align;
	char bytes[CMSG_SPACE(OS_FDS_MAX * sizeof(int))];
};

ssize_t os_send_fds(int sock, const void *p, size_t n, const int *fds, size_t nfds)
{
	union control control = {0};
	struct iovec iov = {.iov_base = (void *)p, .iov_len = n};
	struct msghdr msg = {.msg_iov = &iov, .msg_iovlen = 1};
	if (nfds > OS_FDS_MAX || (nfds && !n))
		log_panic("os_send_fds of %zu descriptors with %zu bytes", nfds, n);
	if (nfds) {
		msg.msg_control = control.bytes;
		msg.msg_controllen = CMSG_SPACE(nfds * sizeof(int));
		struct cmsghdr *c = CMSG_FIRSTHDR(&msg);
		c->cmsg_level = SOL_SOCKET;
		c->cmsg_type = SCM_RIGHTS;
		c->cmsg_len = CMSG_LEN(nfds * sizeof(int));
		memcpy(CMSG_DATA(c), fds, nfds * sizeof(int));
	}
	ssize_t rc;
	do
		rc = sendmsg(sock, &msg, MSG_NOSIGNAL);
	while (rc < 0 && errno == EINTR);
	return rc;
}

static void take_fds(struct msghdr *msg, int *fds_r, size_t *nfds_r)
{
	for (struct cmsghdr *c = CMSG_FIRSTHDR(msg); c; c = CMSG_NXTHDR(msg, c)) {
		if (c->cmsg_level != SOL_SOCKET || c->cmsg_type != SCM_RIGHTS)
			continue;
		size_t n = (c->cmsg_len - CMSG_LEN(0)) / sizeof(int);
		for (size_t i = 0; i < n; i++) {
			int fd;
			memcpy(&fd, CMSG_DATA(c) + i * sizeof(int), sizeof(int));
			if (*nfds_r < OS_FDS_MAX)
				fds_r[(*nfds_r)++] = fd;
			else
				close(fd);
		}
	}
}

ssize_t os_recv_fds(int sock, void *p, size_t n, int *fds_r, size_t *nfds_r)
{
	union control control;
	struct iovec iov = {.iov_base = p, .iov_len = n};
	struct msghdr msg = {.msg_iov = &iov, .msg_iovlen = 1, .msg_control = control.bytes};
	ssize_t rc;
	*nfds_r = 0;
	do {
		msg.msg_controllen = sizeof(control.bytes);
		rc = recvmsg(sock, &msg, MSG_CMSG_CLOEXEC);
	} while (rc < 0 && errno == EINTR);
	if (rc < 0)
		return rc;
	take_fds(&msg, fds_r, nfds_r);
	if (msg.msg_flags & MSG_CTRUNC) {
		while (*nfds_r)
			close(fds_r[--*nfds_r]);
		errno = EPROTO;
		return -1;
	}
	return rc;
}

int os_peer(int sock, uid_t *uid_r, gid_t *gid_r, pid_t *pid_r)
{
	struct ucred peer;
	socklen_t len = sizeof(peer);
	if (getsockopt(sock, SOL_SOCKET, SO_PEERCRED, &peer, &len) < 0)
		return -1;
	*uid_r = peer.uid;
	*gid_r = peer.gid;
	*pid_r = peer.pid;
	return 0;
}

int os_set_nonblock(int fd, bool on)
{
	int flags = fcntl(fd, F_GETFL);
	if (flags < 0)
		return -1;
	int want = on ? flags | O_NONBLOCK : flags & ~O_NONBLOCK;
	return want == flags ? 0 : fcntl(fd, F_SETFL, want);
}
