/* The n-th call that changes a file fails, or its process is killed there, for every n while
 * messages are submitted: what was answered with OK is in a segment once and whole, what was
 * refused is not, and the next message is accepted. */
#include <dirent.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <cmocka.h>

#include "os/os.h"
#include "queue/submit.h"
#include "t/lib/failing_calls.h"
#include "t/lib/queue/spool.h"

#define MESSAGES 9
#define MORE	 2 /* after the fault */
#define MEMORY	 4000

enum known { NOTHING, REFUSED, MAYBE, SURE };

struct run {
	char dir[64];
	int dirfd;
	struct submitter *submitter;
	enum known known[MESSAGES + MORE];
	unsigned found[MESSAGES + MORE];
};

static int fresh(void *arg, uint64_t *id_r, const char **err_r)
{
	struct run *r = arg;
	return segment_create(r->dirfd, 0600, id_r, err_r);
}

/* Small ones, one that goes through a temporary file, one that is written without zeros before. */
static size_t size_of(unsigned n)
{
	return n % 4 == 1 ? 3 * MEMORY : n % 4 == 3 ? 300000 : 100 + n;
}

static void trace_of(unsigned n, struct trace_id *id_r)
{
	snprintf(id_r->s, sizeof(id_r->s), "%016u", n);
}

static char *body_of(unsigned n)
{
	char *body = mem_alloc(size_of(n));
	memset(body, 'a' + (int)n, size_of(n));
	return body;
}

static enum submit_status submit(struct run *r, unsigned n)
{
	const char *err;
	struct recipient to = {.address = "anna@example.org", .orcpt = ""};
	struct envelope env = {.sender = "", .recipients = &to, .nrecipient = 1};
	char *body = body_of(n);
	trace_of(n, &env.trace);
	struct submission *m = submission_new(r->submitter);
	for (size_t at = 0; at < size_of(n); at += 50000)
		(void)submission_write(
			m, body + at, size_of(n) - at < 50000 ? size_of(n) - at : 50000);
	mem_free(&body);
	r->known[n] = MAYBE; /* if it is killed now */
	return submission_commit(&m, &env, SPAN_LIT("Received: x\r\n"), &err);
}

static void add(struct run *r, unsigned n)
{
	enum submit_status status = submit(r, n);
	/* What could not be synced is marked as refused, if the medium lets it. */
	r->known[n] = status == SUBMIT_OK				      ? SURE
		      : status == SUBMIT_DISK_FULL || fault.mode != FROM_HERE ? REFUSED
									      : MAYBE;
}

static int temp(void *arg, const char **err_r)
{
	struct run *r = arg;
	*err_r = "It is said to fail.";
	return open(r->dir, O_TMPFILE | O_RDWR | O_CLOEXEC, 0600);
}

static void start_submitter(struct run *r)
{
	struct submitter_conf conf = {.source = fresh,
		.arg = r,
		.segment_size = 100000,
		.memory_max = MEMORY,
		.temp = temp};
	r->submitter = submitter_new(&conf);
}

static void script(struct run *r)
{
	start_submitter(r);
	for (unsigned n = 0; n < MESSAGES; n++)
		add(r, n);
}

/* --- what is there afterwards --- */

static bool body_is_whole(int fd, const struct segment_record *rec, unsigned n)
{
	size_t skip = strlen("Received: x\r\n");
	if (rec->body_size != skip + size_of(n))
		return false;
	char *want = body_of(n), *got = mem_alloc(size_of(n));
	assert_int_equal(os_pread_all(fd, got, size_of(n), rec->body_at + skip), 0);
	bool same = memcmp(want, got, size_of(n)) == 0;
	mem_free(&want);
	mem_free(&got);
	return same;
}

static void take(struct run *r, int fd, const struct segment_record *rec)
{
	unsigned n = (unsigned)atoi(rec->trace);
	assert_in_range(n, 0, MESSAGES + MORE - 1);
	assert_true(body_is_whole(fd, rec, n));
	r->found[n]++;
}

static void read_segment(struct run *r, const char *name, uint64_t id)
{
	struct segment_reader *reader;
	struct segment_record rec;
	uint64_t at = SEGMENT_START, lost = 0;
	int fd = openat(r->dirfd, name, O_RDONLY);
	int rc = segment_reader_open(fd, id, &reader);
	assert_in_range(rc, 0, 1);
	enum segment_found found = SEGMENT_TAIL;
	while (rc && (found = segment_read(reader, at, true, &rec, &lost)) == SEGMENT_FOUND) {
		take(r, fd, &rec);
		at = rec.next;
	}
	assert_int_not_equal(found, SEGMENT_ERROR);
	if (rc)
		segment_reader_close(&reader);
	close(fd);
}

static void verify(struct run *r)
{
	DIR *dir = opendir(r->dir);
	uint64_t id;
	memset(r->found, 0, sizeof(r->found));
	for (struct dirent *d; (d = readdir(dir));)
		if (segment_name_parse(d->d_name, &id))
			read_segment(r, d->d_name, id);
	closedir(dir);
	for (unsigned n = 0; n < MESSAGES + MORE; n++) {
		assert_in_range(r->found[n], 0, 1);
		if (r->known[n] == SURE)
			assert_int_equal(r->found[n], 1);
		if (r->known[n] == REFUSED || r->known[n] == NOTHING)
			assert_int_equal(r->found[n], 0);
	}
}

/* --- runs --- */

static bool script_until_killed(struct run *r)
{
	int status;
	pid_t pid = fork();
	if (pid == 0) {
		script(r);
		_exit(0);
	}
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_true(WIFEXITED(status));
	start_submitter(r);
	return WEXITSTATUS(status) == KILLED;
}

static void make_folder(struct run *r)
{
	snprintf(r->dir, sizeof(r->dir), "%s/queue-test.XXXXXX",
		access("/dev/shm", W_OK) == 0 ? "/dev/shm" : "/tmp");
	if (!mkdtemp(r->dir))
		fail();
	r->dirfd = open(r->dir, O_RDONLY | O_DIRECTORY);
}

static bool run_with_fault(void *memory, enum mode mode, int error, unsigned at)
{
	struct run *r = memory;
	bool reached;
	make_folder(r);
	fault.mode = mode;
	fault.error = error;
	fault.count = 0;
	fault.at = at;
	if (mode == KILL) {
		reached = script_until_killed(r);
		fault.at = 0;
	} else {
		script(r);
		reached = fault.count >= at;
		fault.at = 0;
	}
	verify(r);
	for (unsigned n = MESSAGES; n < MESSAGES + MORE; n++) {
		add(r, n);
		assert_int_equal(r->known[n], SURE);
	}
	submitter_free(&r->submitter);
	verify(r);
	close(r->dirfd);
	folder_remove(r->dir);
	return reached;
}

static void every_call(enum mode mode, int error)
{
	fail_every_call(run_with_fault, sizeof(struct run), mode, error, 1, 50);
}

static void a_call_fails_once(void **state)
{
	(void)state;
	every_call(ONCE, EIO);
	every_call(ONCE, ENOSPC);
}

static void the_disk_is_full_from_a_call_on(void **state)
{
	(void)state;
	every_call(FROM_HERE, ENOSPC);
}

static void the_disk_dies_at_a_call_and_recovers(void **state)
{
	(void)state;
	every_call(FROM_HERE, EIO);
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
		cmocka_unit_test(the_disk_dies_at_a_call_and_recovers),
		cmocka_unit_test(half_of_a_write_is_done),
		cmocka_unit_test(a_process_is_killed),
	};
	const char *err;
	log_open("test", "/dev/null", LOG_LEVEL_FATAL, &err);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
