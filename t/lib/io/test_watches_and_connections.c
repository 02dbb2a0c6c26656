/* Callbacks' watches, listening sockets and connections over TCP and Unix sockets. */
#include <arpa/inet.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/stat.h>
#include <sys/un.h>

#include "io/net.h"
#include "test.h"

struct seen {
	struct loop_watch *watch;
	int calls, events;
	bool remove_self;
};

static void note(void *arg, int fd, int events)
{
	struct seen *s = arg;
	(void)fd;
	s->calls++;
	s->events = events;
	if (s->remove_self)
		loop_watch_remove(&s->watch);
}

static void watches_tell_levels(void **state)
{
	(void)state;
	int sv[2];
	make_pair(sv);
	struct seen s = {0};
	s.watch = loop_watch_add(sv[0], LOOP_READ, false, note, &s);
	loop_turn(0);
	assert_int_equal(s.calls, 0);
	assert_int_equal(write(sv[1], "x", 1), 1);
	loop_turn(0);
	loop_turn(0);
	assert_int_equal(s.calls, 2);
	loop_watch_set(s.watch, LOOP_WRITE);
	loop_turn(0);
	assert_int_equal(s.events, LOOP_WRITE);
	loop_watch_set(s.watch, 0);
	loop_turn(0);
	assert_int_equal(s.calls, 3);
	loop_watch_set(s.watch, LOOP_READ);
	s.remove_self = true;
	loop_turn(0);
	loop_turn(0);
	assert_int_equal(s.calls, 4);
	assert_null(s.watch);
	io_close(&sv[0]);
	io_close(&sv[1]);
}

static struct seen pair_seen[2], new_seen;
static int pair_sv[2], new_sv[2];

static void remove_the_other(void *arg, int fd, int events)
{
	struct seen *s = arg;
	(void)events;
	s->calls++;
	/* Whoever comes first closes the other's descriptor, whose event was fetched already. */
	struct seen *other = s == &pair_seen[0] ? &pair_seen[1] : &pair_seen[0];
	int *other_fd = fd == pair_sv[0] ? &pair_sv[1] : &pair_sv[0];
	loop_watch_remove(&other->watch);
	int number = *other_fd;
	io_close(other_fd);
	/* The number has a new owner at once, who is told nothing that was the old one's. */
	make_pair(new_sv);
	assert_int_equal(new_sv[0], number);
	new_seen.watch = loop_watch_add(number, LOOP_READ, false, note, &new_seen);
}

static void fetched_events_of_removed_watches_reach_nobody(void **state)
{
	(void)state;
	make_pair(pair_sv);
	assert_int_equal(write(pair_sv[0], "x", 1), 1);
	assert_int_equal(write(pair_sv[1], "x", 1), 1);
	for (int i = 0; i < 2; i++)
		pair_seen[i].watch = loop_watch_add(
			pair_sv[i], LOOP_READ, false, remove_the_other, &pair_seen[i]);
	loop_turn(0);
	assert_int_equal(pair_seen[0].calls + pair_seen[1].calls, 1);
	assert_int_equal(new_seen.calls, 0);
	loop_watch_remove(&new_seen.watch);
	io_close(&new_sv[0]);
	io_close(&new_sv[1]);
	for (int i = 0; i < 2; i++) {
		loop_watch_remove(&pair_seen[i].watch);
		io_close(&pair_sv[i]);
	}
}

struct server {
	int listener, accepted, nodelay;
	struct sockaddr_storage peer;
	socklen_t len;
};

static void serve_one(void *arg)
{
	struct server *s = arg;
	socklen_t len = sizeof(s->nodelay);
	s->accepted = io_accept(s->listener, &s->peer, &s->len, io_deadline(5000));
	assert_true(s->accepted >= 0);
	getsockopt(s->accepted, IPPROTO_TCP, TCP_NODELAY, &s->nodelay, &len);
	assert_int_equal(io_write(s->accepted, "hello", 5, IO_FOREVER), 5);
	io_close(&s->accepted);
}

static void bound_address(int fd, struct net_addr *addr)
{
	addr->len = sizeof(addr->sa);
	assert_int_equal(getsockname(fd, (struct sockaddr *)&addr->sa, &addr->len), 0);
}

static void tcp(void **state)
{
	(void)state;
	struct net_addr addr;
	struct server s = {0};
	const char *err;
	char bytes[8];
	assert_int_equal(net_parse("127.0.0.1:0", &addr, &err), 0);
	s.listener = net_listen(&addr, 10, 0, &err);
	assert_true(s.listener >= 0);
	bound_address(s.listener, &addr);
	assert_true(net_port((struct sockaddr *)&addr.sa) > 0);
	fiber_start("server", serve_one, &s);
	int fd = io_connect((struct sockaddr *)&addr.sa, addr.len, NULL, 0, io_deadline(5000));
	assert_true(fd >= 0);
	assert_int_equal(io_read(fd, bytes, sizeof(bytes), io_deadline(5000)), 5);
	assert_int_equal(io_read(fd, bytes, sizeof(bytes), io_deadline(5000)), 0);
	run_fibers();
	assert_int_equal(s.nodelay, 1);
	assert_int_equal(s.peer.ss_family, AF_INET);
	io_close(&fd);
	assert_int_equal(net_listen(&addr, 10, 0, &err), -1);
	assert_string_equal(err, "The address is in use by another program.");
	io_close(&s.listener);
	assert_int_equal(
		io_connect((struct sockaddr *)&addr.sa, addr.len, NULL, 0, io_deadline(5000)), -1);
	assert_int_equal(errno, ECONNREFUSED);
}

static void try_full_backlog(void *arg)
{
	const char *path = arg;
	int fds[4];
	/* The backlog of one takes two; the third must wait and give up in time. */
	for (int i = 0; i < 2; i++)
		assert_true((fds[i] = io_connect_unix(path, io_deadline(50))) >= 0);
	assert_int_equal(io_connect_unix(path, io_deadline(50)), IO_TIMEOUT);
	io_close(&fds[0]);
	io_close(&fds[1]);
}

static void unix_sockets(void **state)
{
	(void)state;
	char folder[] = "/tmp/thurn-net-XXXXXX", text[64];
	struct net_addr addr;
	struct server s = {0};
	struct stat st;
	const char *err;
	char bytes[8];
	assert_non_null(mkdtemp(folder));
	snprintf(text, sizeof(text), "unix:%s/s", folder);
	assert_int_equal(net_parse(text, &addr, &err), 0);
	assert_int_equal(io_connect_unix(text + 5, io_deadline(50)), -1);
	assert_int_equal(errno, ENOENT);
	for (int i = 0; i < 2; i++) { /* a stale file is replaced */
		s.listener = net_listen(&addr, 1, 0660, &err);
		assert_true(s.listener >= 0);
		if (i == 0)
			close(s.listener);
	}
	assert_int_equal(stat(text + 5, &st), 0);
	assert_int_equal(st.st_mode & 0777, 0660);
	fiber_start("server", serve_one, &s);
	int fd = io_connect_unix(text + 5, io_deadline(5000));
	assert_true(fd >= 0);
	assert_int_equal(io_read(fd, bytes, sizeof(bytes), io_deadline(5000)), 5);
	io_close(&fd);
	run_fibers();
	fiber_start("backlog", try_full_backlog, text + 5);
	run_fibers();
	io_close(&s.listener);
	unlink(text + 5);
	rmdir(folder);
}

static void pass(void *arg)
{
	int *sv = arg, got[4];
	size_t n;
	char byte;
	assert_int_equal(io_recv_fds(sv[0], &byte, 1, got, &n, io_deadline(5000)), 1);
	assert_int_equal(n, 1);
	assert_int_equal(write(got[0], "through", 7), 7);
	close(got[0]);
}

static void descriptors_are_waited_for(void **state)
{
	(void)state;
	int sv[2], p[2];
	char bytes[8];
	make_pair(sv);
	assert_int_equal(pipe(p), 0);
	fiber_start("receiver", pass, sv);
	loop_turn(0);
	assert_int_equal(io_send_fds(sv[1], "!", 1, &p[1], 1, io_deadline(1000)), 1);
	run_fibers();
	assert_int_equal(read(p[0], bytes, sizeof(bytes)), 7);
	close(p[0]);
	close(p[1]);
	io_close(&sv[0]);
	io_close(&sv[1]);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(watches_tell_levels),
		cmocka_unit_test(fetched_events_of_removed_watches_reach_nobody),
		cmocka_unit_test(tcp),
		cmocka_unit_test(unix_sockets),
		cmocka_unit_test(descriptors_are_waited_for),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
