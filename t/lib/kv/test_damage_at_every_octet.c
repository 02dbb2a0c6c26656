/* The log or a table of an environment whose process was killed, cut or flipped at every octet of
 * the last KiB: it opens with all that was committed before the damage, or says that it is damaged;
 * it never answers with what was not put there, and never crashes. */
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>
#include <cmocka.h>

#include "kv/kv.h"
#include "os/os.h"
#include "t/lib/kv/folder.h"

#define ROWS	 12
#define SIZE	 200
#define LAST	 1024
#define ZEROS	 16 /* that may belong to the last record */
#define FILE_MAX (16 << 20)

static const char *const tables[] = {"t", NULL};

/* After a panic the library does not free its environment; the process is to exit then. */
const char *__lsan_default_suppressions(void);
const char *__lsan_default_suppressions(void)
{
	return "leak:libdb-5.3";
}

struct file {
	const char *name;
	char *bytes;
	size_t n;
};

struct scene {
	char dir[64];
	int dirfd;
	struct file files[2]; /* all there is after a kill */
	size_t used;	      /* octets of the log */
	size_t ends[ROWS];    /* where the value of a row ends in the log */
};

static int open_it(struct scene *s, struct kv **kv_r)
{
	const char *err;
	struct kv_conf conf = {.dir = s->dir, .tables = tables, .cache_size = 65536};
	return kv_open(&conf, kv_r, &err);
}

static void value_of(unsigned i, char value[SIZE])
{
	memset(value, 'a' + (int)i, SIZE);
}

static void fill(struct scene *s, bool close_it)
{
	struct kv *kv;
	char key[16], value[SIZE];
	if (open_it(s, &kv) != 0)
		_exit(2);
	for (unsigned i = 0; i < ROWS; i++) {
		struct kv_batch *b = kv_batch_new(kv);
		snprintf(key, sizeof(key), "%08u", i);
		value_of(i, value);
		kv_batch_put(b, 0, span_of(key), span_make(value, SIZE));
		if (kv_batch_commit(&b, true) < 0)
			_exit(3);
	}
	if (close_it)
		kv_close(&kv);
	_exit(0);
}

static int run(void (*fn)(struct scene *s, bool flag), struct scene *s, bool flag)
{
	int status;
	pid_t pid = fork();
	if (pid == 0) {
		alarm(20); /* no hang either */
		fn(s, flag);
		_exit(0);
	}
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_true(WIFEXITED(status));
	return WEXITSTATUS(status);
}

static void take(struct scene *s, struct file *f, const char *name)
{
	f->name = name;
	assert_int_equal(os_read_file(s->dirfd, name, FILE_MAX, &f->bytes, &f->n), 0);
}

static void find_ends(struct scene *s)
{
	const struct file *log = &s->files[0];
	char value[SIZE];
	for (s->used = log->n; s->used && !log->bytes[s->used - 1]; s->used--)
		;
	s->used = s->used + ZEROS < log->n ? s->used + ZEROS : log->n;
	for (unsigned i = 0; i < ROWS; i++) {
		value_of(i, value);
		const char *p = memmem(log->bytes, log->n, value, SIZE);
		assert_non_null(p);
		s->ends[i] = (size_t)(p - log->bytes) + SIZE;
	}
	assert_in_range(s->used, s->ends[ROWS - 1], log->n);
}

static void build(struct scene *s, bool close_it)
{
	snprintf(s->dir, sizeof(s->dir), "%s/kv-test.XXXXXX",
		access("/dev/shm", W_OK) == 0 ? "/dev/shm" : "/tmp");
	if (!mkdtemp(s->dir))
		fail();
	s->dirfd = open(s->dir, O_RDONLY | O_DIRECTORY);
	assert_int_equal(run(fill, s, close_it), 0);
	take(s, &s->files[0], "log.0000000001");
	take(s, &s->files[1], "t.db");
	find_ends(s);
}

static void remove_scene(struct scene *s)
{
	close(s->dirfd);
	folder_remove(s->dir);
	free(s->files[0].bytes);
	free(s->files[1].bytes);
}

static void put_file(struct scene *s, const struct file *f, size_t n)
{
	int fd = openat(s->dirfd, f->name, O_WRONLY | O_CREAT | O_TRUNC, 0600);
	assert_true(fd >= 0);
	assert_int_equal(os_write_all(fd, f->bytes, n), 0);
	close(fd);
}

static void restore(struct scene *s)
{
	unlinkat(s->dirfd, "damaged", 0);
	unlinkat(s->dirfd, "log.0000000002", 0);
	/* Zeros behind the last record are not written: the next one's test is quicker. */
	put_file(s, &s->files[0], s->used);
	put_file(s, &s->files[1], s->files[1].n);
}

#define SAID_DAMAGED 100

/* Exits with the number of rows that are there, all of them first ones; or SAID_DAMAGED. */
static void look(struct scene *s, bool unused)
{
	struct kv *kv;
	struct kv_row *v;
	size_t n;
	char key[16], value[SIZE];
	(void)unused;
	int rc = open_it(s, &kv);
	if (rc != 0)
		_exit(rc == KV_DAMAGED ? SAID_DAMAGED : 101);
	struct kv_range range = {.limit = 1000};
	if (kv_scan(kv, &range, pool_new("look"), &v, &n) < 0)
		_exit(kv_is_damaged(kv) ? SAID_DAMAGED : 102);
	for (unsigned i = 0; i < n; i++) {
		snprintf(key, sizeof(key), "%08u", i);
		value_of(i, value);
		if (i >= ROWS || !span_is(v[i].key, key) ||
			!span_eq(v[i].value, span_make(value, SIZE)))
			_exit(103);
	}
	_exit((int)n);
}

/* How many rows must be there when the log is whole up to an octet: the next one's value shows that
 * a commit was before it. */
static unsigned committed_before(const struct scene *s, size_t at)
{
	unsigned n = 0;
	while (n + 1 < ROWS && s->ends[n + 1] <= at)
		n++;
	return n;
}

static void expect(struct scene *s, unsigned least)
{
	int found = run(look, s, false);
	if (found != SAID_DAMAGED)
		assert_in_range(found, least, ROWS);
}

static size_t step(void)
{
	return os_is_sanitized() ? 23 : 1; /* a fork is slow then */
}

static void unharmed(void **state)
{
	(void)state;
	for (int closed = 0; closed < 2; closed++) {
		struct scene s = {0};
		build(&s, closed);
		restore(&s);
		assert_int_equal(run(look, &s, false), ROWS);
		remove_scene(&s);
	}
}

static void the_log_after_a_kill(void **state)
{
	struct scene s = {0};
	(void)state;
	build(&s, false);
	for (size_t at = s.used - LAST; at < s.used; at += step()) {
		restore(&s);
		put_file(&s, &s.files[0], at);
		expect(&s, committed_before(&s, at));
		restore(&s);
		s.files[0].bytes[at] ^= 0x10;
		put_file(&s, &s.files[0], s.used);
		s.files[0].bytes[at] ^= 0x10;
		expect(&s, committed_before(&s, at));
	}
	remove_scene(&s);
}

static void a_table_after_a_stop(void **state)
{
	struct scene s = {0};
	(void)state;
	build(&s, true);
	for (size_t at = s.files[1].n - LAST; at < s.files[1].n; at += step()) {
		restore(&s);
		s.files[1].bytes[at] ^= 0x10;
		put_file(&s, &s.files[1], s.files[1].n);
		s.files[1].bytes[at] ^= 0x10;
		expect(&s, ROWS);
		if (at % 8)
			continue;
		restore(&s);
		put_file(&s, &s.files[1], at);
		expect(&s, ROWS);
	}
	remove_scene(&s);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(unharmed),
		cmocka_unit_test(the_log_after_a_kill),
		cmocka_unit_test(a_table_after_a_stop),
	};
	const char *err;
	log_open("test", getenv("KV_LOG") ? "stderr" : "/dev/null", LOG_LEVEL_DEBUG, &err);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
