/* Descriptors go over a Unix socket with their bytes, close-on-exec, never more than allowed. */
#include <errno.h>
#include <fcntl.h>
#include <sys/socket.h>

#include "test.h"

static unsigned open_descriptors(void)
{
	unsigned n = 0;
	for (int fd = 0; fd < 256; fd++)
		n += fcntl(fd, F_GETFD) >= 0;
	return n;
}

static void four_travel(void **state)
{
	(void)state;
	int sv[2], pipes[4], got[OS_FDS_MAX];
	size_t n;
	char bytes[8];
	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM, 0, sv), 0);
	assert_int_equal(pipe(pipes), 0);
	assert_int_equal(pipe(pipes + 2), 0);
	assert_int_equal(os_send_fds(sv[0], "abc", 3, pipes, 4), 3);
	assert_int_equal(os_send_fds(sv[0], "d", 1, NULL, 0), 1);
	assert_int_equal(os_recv_fds(sv[1], bytes, sizeof(bytes), got, &n), 3);
	assert_int_equal(n, 4);
	assert_int_equal(fcntl(got[0], F_GETFD) & FD_CLOEXEC, FD_CLOEXEC);
	assert_int_equal(write(got[1], "x", 1), 1);
	assert_int_equal(read(pipes[0], bytes, 1), 1);
	assert_int_equal(os_recv_fds(sv[1], bytes, sizeof(bytes), got + 3, &n), 1);
	assert_int_equal(n, 0);
	close(sv[0]);
	assert_int_equal(os_recv_fds(sv[1], bytes, sizeof(bytes), got, &n), 0);
	assert_int_equal(os_send_fds(sv[1], "x", 1, NULL, 0), -1);
	assert_int_equal(errno, EPIPE);
}

static void too_many_are_an_error_and_closed(void **state)
{
	(void)state;
	int sv[2], fds[8], got[OS_FDS_MAX];
	size_t n;
	char byte = 'x';
	union {
		struct cmsghdr align;
		char bytes[CMSG_SPACE(sizeof(fds))];
	} control = {0};
	struct iovec iov = {&byte, 1};
	struct msghdr msg = {.msg_iov = &iov,
		.msg_iovlen = 1,
		.msg_control = &control,
		.msg_controllen = sizeof(control)};
	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM, 0, sv), 0);
	for (int i = 0; i < 8; i++)
		fds[i] = STDIN_FILENO;
	struct cmsghdr *c = CMSG_FIRSTHDR(&msg);
	c->cmsg_level = SOL_SOCKET;
	c->cmsg_type = SCM_RIGHTS;
	c->cmsg_len = CMSG_LEN(sizeof(fds));
	memcpy(CMSG_DATA(c), fds, sizeof(fds));
	assert_int_equal(sendmsg(sv[0], &msg, 0), 1);
	unsigned before = open_descriptors();
	assert_int_equal(os_recv_fds(sv[1], &byte, 1, got, &n), -1);
	assert_int_equal(errno, EPROTO);
	assert_int_equal(n, 0);
	assert_int_equal(open_descriptors(), before);
	close(sv[0]);
	close(sv[1]);
}

static void peers_are_known(void **state)
{
	(void)state;
	int sv[2];
	uid_t uid;
	gid_t gid;
	pid_t pid;
	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM, 0, sv), 0);
	assert_int_equal(os_peer(sv[0], &uid, &gid, &pid), 0);
	assert_int_equal(uid, getuid());
	assert_int_equal(pid, getpid());
	assert_int_equal(os_set_nonblock(sv[0], true), 0);
	assert_true(fcntl(sv[0], F_GETFL) & O_NONBLOCK);
	assert_int_equal(os_set_nonblock(sv[0], false), 0);
	assert_false(fcntl(sv[0], F_GETFL) & O_NONBLOCK);
	close(sv[0]);
	close(sv[1]);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(four_travel),
		cmocka_unit_test(too_many_are_an_error_and_closed),
		cmocka_unit_test(peers_are_known),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
