/* What was committed survives the death of the process; damage is told apart from a bad moment,
 * never read as data. */
#include <fcntl.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <sys/wait.h>
#include <unistd.h>
#include <cmocka.h>

#include "t/lib/kv/folder.h"
#include "kv/kv.h"

static const char *const tables[] = {"t", NULL};

/* After a panic the library does not free its environment; the process is to exit then. */
const char *__lsan_default_suppressions(void);
const char *__lsan_default_suppressions(void)
{
	return "leak:libdb-5.3";
}

struct fixture {
	char dir[64];
	struct pool *pool;
};

static int setup(void **state)
{
	struct fixture *f = mem_new(struct fixture);
	folder_make(f->dir);
	f->pool = pool_new("test");
	*state = f;
	return 0;
}

static int teardown(void **state)
{
	struct fixture *f = *state;
	folder_remove(f->dir);
	pool_free(&f->pool);
	mem_free(&f);
	return 0;
}

static int open_it(struct fixture *f, struct kv **kv_r)
{
	const char *err;
	struct kv_conf conf = {.dir = f->dir, .tables = tables};
	return kv_open(&conf, kv_r, &err);
}

static void put_number(struct kv *kv, uint32_t i, bool durable)
{
	char key[16], value[400];
	snprintf(key, sizeof(key), "%08u", i);
	memset(value, 'v', sizeof(value));
	struct kv_batch *b = kv_batch_new(kv);
	kv_batch_put(b, 0, span_of(key), span_make(value, sizeof(value)));
	if (kv_batch_commit(&b, durable) < 0)
		_exit(3);
}

/* A child commits numbers and says each one it has committed, until it is killed. */
static void commit_until_killed(struct fixture *f, int out)
{
	struct kv *kv;
	if (open_it(f, &kv) != 0)
		_exit(2);
	for (uint32_t i = 0;; i++) {
		put_number(kv, i, i % 3 == 0);
		if (write(out, &i, sizeof(i)) != sizeof(i))
			_exit(4);
	}
}

static void a_killed_process_loses_nothing(void **state)
{
	struct fixture *f = *state;
	int pipes[2];
	assert_int_equal(pipe(pipes), 0);
	pid_t pid = fork();
	if (pid == 0)
		commit_until_killed(f, pipes[1]);
	close(pipes[1]);
	uint32_t last = 0;
	while (last < 500 && read(pipes[0], &last, sizeof(last)) == sizeof(last))
		;
	kill(pid, SIGKILL);
	while (read(pipes[0], &last, sizeof(last)) == sizeof(last))
		;
	close(pipes[0]);
	int status;
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_true(WIFSIGNALED(status));
	struct kv *kv;
	assert_int_equal(open_it(f, &kv), 0);
	struct kv_range range = {.limit = 1000000, .keys_only = true};
	struct kv_row *v;
	size_t n;
	assert_int_equal(kv_scan(kv, &range, f->pool, &v, &n), 0);
	assert_true(n == last + 1 || n == last + 2); /* committed, not yet said */
	kv_close(&kv);
}

static void one_process_at_a_time(void **state)
{
	struct kv *kv, *second;
	assert_int_equal(open_it(*state, &kv), 0);
	assert_int_equal(open_it(*state, &second), -1);
	kv_close(&kv);
	assert_int_equal(open_it(*state, &second), 0);
	kv_close(&second);
}

static void a_condemned_environment_is_set_aside(void **state)
{
	struct fixture *f = *state;
	struct kv *kv;
	struct span value;
	const char *err;
	assert_int_equal(open_it(f, &kv), 0);
	put_number(kv, 1, true);
	kv_close(&kv);
	kv_condemn(f->dir);
	assert_int_equal(open_it(f, &kv), KV_DAMAGED);
	assert_int_equal(kv_set_aside(f->dir, &err), 0);
	assert_int_equal(open_it(f, &kv), 0);
	assert_int_equal(kv_get(kv, 0, span_of("00000001"), f->pool, &value), 0);
	kv_close(&kv);
}

static void overwrite(struct fixture *f, const char *name, off_t from, off_t step)
{
	char path[100];
	snprintf(path, sizeof(path), "%s/%s", f->dir, name);
	int fd = open(path, O_RDWR);
	assert_true(fd >= 0);
	off_t size = lseek(fd, 0, SEEK_END);
	for (off_t at = from; at < size; at += step)
		assert_int_equal(pwrite(fd, "damage!", 7, at), 7);
	close(fd);
}

/* Opening may still succeed (the first page is whole), then reading reports it. */
static void damaged_pages_are_reported(void **state)
{
	static const off_t from[] = {100, 4096 + 100};
	for (size_t i = 0; i < 2; i++) {
		struct fixture *f = *state;
		struct kv *kv;
		assert_int_equal(open_it(f, &kv), 0);
		for (uint32_t k = 0; k < 200; k++)
			put_number(kv, k, false);
		kv_close(&kv);
		overwrite(f, "t.db", from[i], 512);
		int rc = open_it(f, &kv);
		if (rc == 0) {
			struct kv_range range = {.limit = 1000};
			struct kv_row *v;
			size_t n;
			assert_int_equal(kv_scan(kv, &range, f->pool, &v, &n), -1);
			assert_true(kv_is_damaged(kv));
			kv_close(&kv);
		} else {
			assert_int_equal(rc, KV_DAMAGED);
		}
		const char *err;
		assert_int_equal(kv_set_aside(f->dir, &err), 0);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(a_killed_process_loses_nothing, setup, teardown),
		cmocka_unit_test_setup_teardown(one_process_at_a_time, setup, teardown),
		cmocka_unit_test_setup_teardown(
			a_condemned_environment_is_set_aside, setup, teardown),
		cmocka_unit_test_setup_teardown(damaged_pages_are_reported, setup, teardown),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
