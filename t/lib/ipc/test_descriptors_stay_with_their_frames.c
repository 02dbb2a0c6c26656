/* Descriptors go there and back with the frames that they belong to, however many frames travel at once. */
#include "server.h"

#define BATCH 20

struct fd_call {
	struct ipc_client *c;
	struct fiber_group *group;
	unsigned *right;
};

/* The pipe that comes back is the one that went out. */
static void fd_call(void *arg)
{
	struct fd_call *f = arg;
	struct pool *pool = pool_new("test");
	struct leaf in = {"fds", 0}, out;
	int p[2], back[IPC_FDS_MAX];
	size_t n = 0;
	const char *err;
	uintptr_t mark = (uintptr_t)&in, got = 0;

	assert_int_equal(pipe(p), 0);
	assert_int_equal(ipc_client_call(f->c, pool,
				 &(struct ipc_call){.request = &leaf_msg, .body = &in, .fds = p + 1,
					 .nfds = 1, .reply_type = &leaf_msg, .reply = &out,
					 .fds_r = back, .nfds_r = &n},
				 &err),
		0);
	close(p[1]);
	if (n == 1 && write(back[0], &mark, sizeof(mark)) == sizeof(mark)) {
		close(back[0]);
		*f->right += read(p[0], &got, sizeof(got)) == sizeof(got) && got == mark;
	}
	close(p[0]);
	pool_free(&pool);
	fiber_group_leave(f->group);
}

static void descriptors_of_one_batch_stay_with_their_frames(void **state)
{
	struct server s = {0};
	struct fiber_group group = {0};
	unsigned right = 0;
	(void)state;

	server_start(&s);
	struct ipc_client *c = ipc_client_new(s.path);
	struct fd_call f = {c, &group, &right};
	for (int i = 0; i < BATCH; i++) {
		fiber_group_enter(&group);
		fiber_start("fd call", fd_call, &f);
	}
	assert_int_equal(fiber_group_wait(&group, io_deadline(20000)), 0);
	assert_int_equal(right, BATCH);
	server_stop(&s, &c);
}

static void descriptors_travel_both_ways(void **state)
{
	struct server s = {0};
	struct pool *pool = pool_new("test");
	const char *err;
	struct leaf in = {"fds", 0}, out;
	int pipe_fds[2], back[IPC_FDS_MAX];
	size_t n = 0;
	char text[8] = "";
	(void)state;

	server_start(&s);
	struct ipc_client *c = ipc_client_new(s.path);
	assert_int_equal(pipe(pipe_fds), 0);
	assert_int_equal(ipc_client_call(c, pool,
				 &(struct ipc_call){.request = &leaf_msg, .body = &in,
					 .fds = pipe_fds, .nfds = 2, .reply_type = &leaf_msg,
					 .reply = &out, .fds_r = back, .nfds_r = &n},
				 &err),
		0);
	assert_int_equal(n, 2);
	assert_int_equal(write(back[1], "hello", 5), 5);
	assert_int_equal(read(pipe_fds[0], text, 5), 5);
	assert_string_equal(text, "hello");
	for (int i = 0; i < 2; i++) {
		close(back[i]);
		close(pipe_fds[i]);
	}
	server_stop(&s, &c);
	pool_free(&pool);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(descriptors_travel_both_ways),
		cmocka_unit_test(descriptors_of_one_batch_stay_with_their_frames),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
