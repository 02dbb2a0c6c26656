/* The n-th call that changes a file fails, or the process is killed there, for every n: what was
 * committed is there when the environment is opened again, which a full or failing disk never makes
 * a damaged one. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <cmocka.h>

#include "kv/kv.h"
#include "os/os.h"
#include "t/lib/failing_calls.h"
#include "t/lib/kv/folder.h"

#define ROWS 12
#define SIZE 3000

static const char *const tables[] = {"t", "u", NULL};

/* After a panic the library does not free its environment; the process is to exit then. */
const char *__lsan_default_suppressions(void);
const char *__lsan_default_suppressions(void)
{
	return "leak:libdb-5.3";
}

struct run {
	char dir[64];
	bool sure[ROWS + 1];
};

static int open_it(struct run *r, struct kv **kv_r)
{
	const char *err;
	struct kv_conf conf = {.dir = r->dir, .tables = tables, .cache_size = 65536};
	return kv_open(&conf, kv_r, &err);
}

static void put(struct run *r, struct kv *kv, unsigned i)
{
	char key[16], value[SIZE];
	snprintf(key, sizeof(key), "%08u", i);
	memset(value, 'a' + (int)(i % 26), sizeof(value));
	struct kv_batch *b = kv_batch_new(kv);
	kv_batch_put(b, 0, span_of(key), span_make(value, sizeof(value)));
	kv_batch_put(b, 1, span_of(key), SPAN_LIT("x"));
	r->sure[i] = kv_batch_commit(&b, true) == 0;
}

/* As a daemon does: after a failure it exits, and comes back. */
static void script(struct run *r)
{
	struct kv *kv;
	if (open_it(r, &kv) != 0)
		return;
	for (unsigned i = 0; i < ROWS; i++)
		put(r, kv, i);
	kv_close(&kv);
}

/* In a child: a process with threads can't fork well, so this one has none. */
static void check(bool good)
{
	if (!good)
		_exit(1);
}

static void verify(struct run *r)
{
	struct kv *kv;
	struct span value;
	struct pool *pool = pool_new("test");
	char key[16];
	check(open_it(r, &kv) == 0);
	for (unsigned i = 0; i < ROWS; i++) {
		snprintf(key, sizeof(key), "%08u", i);
		int first = kv_get(kv, 0, span_of(key), pool, &value);
		check(first >= 0 && first <= 1 && (first == 1 || !r->sure[i]));
		if (first)
			check(value.n == SIZE && value.p[0] == 'a' + (char)(i % 26));
		check(kv_get(kv, 1, span_of(key), pool, &value) == first);
	}
	put(r, kv, ROWS);
	check(r->sure[ROWS]);
	kv_close(&kv);
	pool_free(&pool);
}

/* In a process of its own, which ends as it is. */
static bool run_with_fault(void *memory, enum mode mode, int error, unsigned at)
{
	struct run *r = memory;
	int status;
	snprintf(r->dir, sizeof(r->dir), "%s/kv-test.XXXXXX",
		access("/dev/shm", W_OK) == 0 ? "/dev/shm" : "/tmp");
	if (!mkdtemp(r->dir))
		fail();
	pid_t pid = fork();
	if (pid == 0) {
		fault.mode = mode;
		fault.error = error;
		fault.at = at;
		script(r);
		_exit(fault.count >= at ? KILLED : 0);
	}
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_true(WIFEXITED(status));
	bool reached = WEXITSTATUS(status) == KILLED;
	pid = fork();
	if (pid == 0) {
		verify(r);
		_exit(0);
	}
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_true(WIFEXITED(status));
	assert_int_equal(WEXITSTATUS(status), 0);
	folder_remove(r->dir);
	return reached;
}

static void every_call(enum mode mode, int error)
{
	unsigned step = os_is_sanitized() ? 7 : 1; /* a fork is slow then */
	fail_every_call(run_with_fault, sizeof(struct run), mode, error, step, 50);
}

static void a_call_fails_once(void **state)
{
	(void)state;
	every_call(ONCE, EIO);
}

static void the_disk_is_full_from_a_call_on(void **state)
{
	(void)state;
	every_call(FROM_HERE, ENOSPC);
}

static void half_of_a_write_is_done(void **state)
{
	(void)state;
	every_call(SHORT, ENOSPC);
}

static void a_process_is_killed(void **state)
{
	(void)state;
	every_call(KILL, 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_call_fails_once),
		cmocka_unit_test(the_disk_is_full_from_a_call_on),
		cmocka_unit_test(half_of_a_write_is_done),
		cmocka_unit_test(a_process_is_killed),
	};
	const char *err;
	log_open("test", getenv("KV_LOG") ? "stderr" : "/dev/null", LOG_LEVEL_DEBUG, &err);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
