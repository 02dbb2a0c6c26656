/*
 * The kernel tells of a write that failed once; what it could not write looks clean then, and the next sync says well (design rule
 * 8). So after any failure all of the environment is written again, and synced, before it is believed.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <cmocka.h>
#include <dirent.h>

#include "kv/kv.h"
#include "t/lib/failing_calls.h"
#include "t/lib/kv/folder.h"

#define ROWS 12
#define SIZE 3000

static const char *const tables[] = {"t", NULL};

/* As in test_every_write_may_fail. */
const char *__lsan_default_suppressions(void);
const char *__lsan_default_suppressions(void)
{
	return "leak:libdb-5.3";
}

struct run {
	char dir[64];
};

static void check(bool good)
{
	if (!good)
		_exit(1);
}

static int open_it(const struct run *r, struct kv **kv_r)
{
	const char *err;
	struct kv_conf conf = {.dir = r->dir, .tables = tables, .cache_size = 65536};
	return kv_open(&conf, kv_r, &err);
}

static int put(struct kv *kv, unsigned i)
{
	char value[SIZE] = "a value";
	struct kv_batch *b = kv_batch_new(kv);
	kv_batch_put(b, 0, span_make(&"abcdefghijkl"[i], 1), span_make(value, sizeof(value)));
	return kv_batch_commit(&b, true);
}

/* Octets of the library's files. */
static unsigned long long size_of(const char *dir)
{
	unsigned long long sum = 0;
	char path[400];
	struct stat st;
	DIR *d = opendir(dir);
	check(d != NULL);
	for (struct dirent *e; (e = readdir(d));) {
		snprintf(path, sizeof(path), "%s/%s", dir, e->d_name);
		bool ours = strncmp(e->d_name, "log.", 4) == 0 || strstr(e->d_name, ".db");
		sum += ours && stat(path, &st) == 0 ? (unsigned long long)st.st_size : 0;
	}
	closedir(d);
	return sum;
}

/* Ends as a daemon does: at once. */
static void fill(const struct run *r, unsigned at)
{
	struct kv *kv;
	check(open_it(r, &kv) == 0);
	for (unsigned i = 0; i < ROWS; i++) {
		if (i == ROWS - 1)
			fault.at = at;
		if (put(kv, i) != 0)
			_exit(KILLED);
	}
	_exit(0);
}

static bool is_marked(const struct run *r)
{
	char path[100];
	snprintf(path, sizeof(path), "%s/unsynced", r->dir);
	return access(path, F_OK) == 0;
}

static void open_again(const struct run *r, unsigned failed)
{
	struct kv *kv;
	struct span value;
	struct pool *pool = pool_new("test");
	unsigned long long size = size_of(r->dir);
	check(is_marked(r) == failed);
	fault.written = 0;
	check(open_it(r, &kv) == 0);
	check(failed ? fault.written >= size : fault.written < size);
	check(!is_marked(r));
	for (unsigned i = 0; i < ROWS - 1; i++)
		check(kv_get(kv, 0, span_make(&"abcdefghijkl"[i], 1), pool, &value) == 1 && value.n == SIZE);
	kv_close(&kv);
	_exit(0);
}

/* A process with threads can't fork well. */
static int in_child(void (*fn)(const struct run *r, unsigned arg), const struct run *r, unsigned arg)
{
	int status;
	pid_t pid = fork();
	if (pid == 0)
		fn(r, arg);
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_true(WIFEXITED(status));
	return WEXITSTATUS(status);
}

static bool run_with_fault(unsigned at)
{
	struct run r;
	folder_make(r.dir);
	fault.mode = ONCE;
	fault.error = EIO;
	int ended = in_child(fill, &r, at);
	assert_true(ended == KILLED || ended == 0);
	assert_int_equal(in_child(open_again, &r, ended == KILLED), 0);
	folder_remove(r.dir);
	return ended == KILLED;
}

/* The library would try again, and be told that all is well. */
static void a_sync_that_failed_once(void **state)
{
	(void)state;
	assert_true(run_with_fault(2)); /* the first call is the write */
}

static void a_commit_that_did_not(void **state)
{
	(void)state;
	assert_false(run_with_fault(0));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_sync_that_failed_once),
		cmocka_unit_test(a_commit_that_did_not),
	};
	const char *err;
	log_open("test", "/dev/null", LOG_LEVEL_INFO, &err);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
