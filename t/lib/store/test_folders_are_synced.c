/* Before anything is acknowledged the names of all folders above it are on the medium, also of those
 * that a process had made and was killed before it synced them (design rule 9). */
#include <sys/syscall.h>

#include "fixture.h"

#define SYNCED_MAX 256

/* Of this test: what fsync was called for since the last reset. */
static ino_t synced[SYNCED_MAX];
static _Atomic unsigned nsynced;

int fsync(int fd)
{
	struct stat st;
	if (fstat(fd, &st) == 0 && nsynced < SYNCED_MAX)
		synced[nsynced++] = st.st_ino;
	return (int)syscall(SYS_fsync, fd);
}

static bool was_synced(const char *path)
{
	struct stat st;
	if (stat(path, &st) < 0)
		fail_msg("%s is not there", path);
	for (unsigned i = 0; i < nsynced; i++)
		if (synced[i] == st.st_ino)
			return true;
	return false;
}

static void put_path(struct fixture *f, unsigned depth, char path[200])
{
	char hh[4];
	snprintf(hh, sizeof(hh), "%02x", os_crc32c(0, "a1", 2) & 0xff);
	const char *names[] = {"", "/p0", hh, "/a1"};
	snprintf(path, 200, "%s%s", f->dir, depth ? names[1] : "");
	if (depth > 1)
		snprintf(path + strlen(path), 100, "/%s%s", names[2], depth > 2 ? names[3] : "");
}

/* So many of p0, p0/<hh>, p0/<hh>/a1 and p0/packs are left by somebody who was killed. */
static void left_behind(unsigned depth, bool packs)
{
	struct fixture f = {0};
	char path[200];
	fixture_init(&f);
	for (unsigned d = 1; d <= depth; d++) {
		put_path(&f, d, path);
		assert_int_equal(mkdir(path, 0700), 0);
	}
	snprintf(path, sizeof(path), "%s/p0/packs", f.dir);
	if (packs)
		assert_int_equal(mkdir(path, 0700), 0);
	nsynced = 0;
	fixture_open(&f);
	for (unsigned d = 0; d <= 3; d++) {
		put_path(&f, d, path);
		if (!was_synced(path))
			fail_msg("%s was not synced, with %u folders left behind", path, depth);
	}
	fixture_close(&f);
	fixture_remove(f.dir);
	pool_free(&f.pool);
}

static void whoever_made_them(void **state)
{
	(void)state;
	for (unsigned depth = 0; depth <= 3; depth++)
		left_behind(depth, depth > 1);
}

int main(void)
{
	const struct CMUnitTest tests[] = {cmocka_unit_test(whoever_made_them)};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
