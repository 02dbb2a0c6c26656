/* A process that is killed, or fails, while it sets an environment aside leaves one that is condemned still, or a new
 * one: never some of the old tables without the others. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <cmocka.h>

#include "kv/kv.h"
#include "t/lib/failing_calls.h"
#include "t/lib/kv/folder.h"

#define ROWS 5

static const char *const tables[] = {"t", "u", "v", NULL};

/* As in test_every_write_may_fail. */
const char *__lsan_default_suppressions(void);
const char *__lsan_default_suppressions(void)
{
	return "leak:libdb-5.3";
}

struct run {
	char dir[64];
};

static int open_it(const struct run *r, struct kv **kv_r)
{
	const char *err;
	struct kv_conf conf = {.dir = r->dir, .tables = tables, .cache_size = 65536};
	return kv_open(&conf, kv_r, &err);
}

static void check(bool good)
{
	if (!good)
		_exit(1);
}

static void fill(const struct run *r)
{
	struct kv *kv;
	check(open_it(r, &kv) == 0);
	struct kv_batch *b = kv_batch_new(kv);
	for (unsigned table = 0; table < 3; table++)
		for (unsigned i = 0; i < ROWS; i++)
			kv_batch_put(b, table, span_make(&"abcde"[i], 1), SPAN_LIT("row"));
	check(kv_batch_commit(&b, true) == 0);
	kv_close(&kv);
	kv_condemn(r->dir);
}

static size_t count(struct kv *kv, unsigned table)
{
	struct pool *pool = pool_new("test");
	struct kv_range range = {.table = table, .limit = 2 * ROWS};
	struct kv_row *rows;
	size_t n;
	check(kv_scan(kv, &range, pool, &rows, &n) == 0);
	pool_free(&pool);
	return n;
}

/* As a daemon does that can make it anew. */
static void verify(const struct run *r)
{
	struct kv *kv;
	const char *err;
	int rc = open_it(r, &kv);
	if (rc == KV_DAMAGED) {
		check(kv_set_aside(r->dir, &err) == 0);
		rc = open_it(r, &kv);
	}
	check(rc == 0);
	for (unsigned table = 0; table < 3; table++)
		check(count(kv, table) == 0);
	kv_close(&kv);
}

/* A process with threads can't fork well: all is done in children. */
static int in_child(void (*fn)(const struct run *r), const struct run *r)
{
	int status;
	pid_t pid = fork();
	if (pid == 0) {
		fn(r);
		_exit(fault.at && fault.count >= fault.at ? KILLED : 0);
	}
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_true(WIFEXITED(status));
	return WEXITSTATUS(status);
}

static void set_aside(const struct run *r)
{
	const char *err;
	kv_set_aside(r->dir, &err);
}

static bool run_with_fault(void *memory, enum mode mode, int error, unsigned at)
{
	struct run *r = memory;
	folder_make(r->dir);
	fault.at = 0;
	assert_int_equal(in_child(fill, r), 0);
	fault.mode = mode;
	fault.error = error;
	fault.at = at;
	int ended = in_child(set_aside, r);
	fault.at = 0;
	assert_int_equal(in_child(verify, r), 0);
	folder_remove(r->dir);
	return ended == KILLED;
}

static void a_process_is_killed(void **state)
{
	(void)state;
	fail_every_call(run_with_fault, sizeof(struct run), KILL, 0, 1, 8);
}

static void a_call_fails(void **state)
{
	(void)state;
	fail_every_call(run_with_fault, sizeof(struct run), ONCE, EIO, 1, 8);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_process_is_killed),
		cmocka_unit_test(a_call_fails),
	};
	const char *err;
	log_open("test", "/dev/null", LOG_LEVEL_INFO, &err);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
