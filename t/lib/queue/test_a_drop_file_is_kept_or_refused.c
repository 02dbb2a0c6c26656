/* The n-th call that changes a file fails, for every n: what sendmail was told is what is in the drop folder. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>
#include <dirent.h>
#include <ftw.h>
#include <stdlib.h>

#include "queue/drop.h"
#include "t/lib/failing_calls.h"

struct run {
	char dir[64];
};

static int remove_one(const char *path, const struct stat *st, int type, struct FTW *ftw)
{
	(void)st, (void)type, (void)ftw;
	return remove(path);
}

static unsigned count_files(int dirfd)
{
	unsigned n = 0;
	DIR *dir = fdopendir(dup(dirfd));
	assert_non_null(dir);
	rewinddir(dir);
	for (struct dirent *d; (d = readdir(dir));)
		n += d->d_name[0] != '.';
	closedir(dir);
	return n;
}

static bool run_with_fault(void *memory, enum mode mode, int error, unsigned at)
{
	struct run *r = memory;
	struct pool *pool = pool_new("test");
	struct drop_message m = {.uid = 1, .time = 1, .sender = "", .recipients = ARRAY_IN(pool), .body = SPAN_LIT("x\r\n")};
	*array_add(&m.recipients) = "bob@example.net";
	snprintf(r->dir, sizeof(r->dir), "/tmp/thurn-t.XXXXXX");
	assert_non_null(mkdtemp(r->dir));
	int fd = open(r->dir, O_RDONLY | O_DIRECTORY);
	fault.mode = mode;
	fault.error = error;
	fault.count = 0;
	fault.at = at;
	int rc = drop_write(fd, &m);
	bool reached = fault.count >= at;
	fault.at = 0;
	assert_int_equal(count_files(fd), rc == 0);
	close(fd);
	nftw(r->dir, remove_one, 16, FTW_DEPTH | FTW_PHYS);
	pool_free(&pool);
	return reached;
}

static void a_call_fails(void **state)
{
	(void)state;
	fail_every_call(run_with_fault, sizeof(struct run), ONCE, EIO, 1, 5);
	fail_every_call(run_with_fault, sizeof(struct run), FROM_HERE, ENOSPC, 1, 5);
}

static void half_of_a_write_is_done(void **state)
{
	(void)state;
	fail_every_call(run_with_fault, sizeof(struct run), SHORT, ENOSPC, 1, 5);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_call_fails),
		cmocka_unit_test(half_of_a_write_is_done),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
