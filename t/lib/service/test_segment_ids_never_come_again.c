/* Ids of spool segments go up, over restarts, crashes and a lost counter. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "service/shared.h"

static char dir[] = "/tmp/segment-test-XXXXXX";

static struct segment_source *source_open(void)
{
	struct segment_source *s;
	const char *err;

	assert_int_equal(segment_source_open(dir, &s, &err), 0);
	return s;
}

static uint64_t take(struct segment_source *s)
{
	uint64_t id;
	const char *err;
	struct stat st;
	char path[200];
	int fd = segment_source_new(s, geteuid(), getegid(), &id, &err);

	assert_true(fd >= 0);
	assert_int_equal(write(fd, "x", 1), 1);
	assert_int_equal(lseek(fd, 0, SEEK_SET), 0);
	assert_int_equal(read(fd, path, 1), 1);
	close(fd);
	snprintf(path, sizeof(path), "%s/segments/%016llx.seg", dir, (unsigned long long)id);
	assert_int_equal(stat(path, &st), 0);
	assert_int_equal(st.st_mode & 0777, 0600);
	unlink(path);
	return id;
}

static void ids_go_up(void **state)
{
	struct segment_source *s = source_open();
	uint64_t last = 0;
	(void)state;

	for (int i = 0; i < 200; i++) {
		uint64_t id = take(s);
		assert_true(id > last);
		last = id;
	}
	/* A crash: nothing is said to the counter, whose file is read again. */
	struct segment_source *after = source_open();
	assert_true(take(after) > last);
	segment_source_close(&s);
	segment_source_close(&after);
}

static void a_lost_counter_goes_on_after_what_is_there(void **state)
{
	struct segment_source *s;
	char path[200];
	(void)state;

	snprintf(path, sizeof(path), "%s/segments/00000000000f4240.seg", dir);
	close(open(path, O_CREAT | O_WRONLY, 0600));
	snprintf(path, sizeof(path), "%s/segments.next", dir);
	assert_int_equal(unlink(path), 0);
	s = source_open();
	assert_int_equal(take(s), 1000001);
	segment_source_close(&s);
}

static void a_damaged_counter_goes_on_too(void **state)
{
	struct segment_source *s;
	char path[200];
	(void)state;

	snprintf(path, sizeof(path), "%s/segments.next", dir);
	int fd = open(path, O_WRONLY | O_TRUNC);
	assert_int_equal(write(fd, "x7", 2), 2);
	close(fd);
	s = source_open();
	assert_true(take(s) > 1000000);
	segment_source_close(&s);
}

static void a_link_in_the_way_is_not_followed(void **state)
{
	struct segment_source *s = source_open();
	char path[200], target[200];
	struct stat st;
	uint64_t id = take(s);
	(void)state;

	snprintf(target, sizeof(target), "%s/target", dir);
	snprintf(path, sizeof(path), "%s/segments/%016llx.seg", dir, (unsigned long long)id + 1);
	assert_int_equal(symlink(target, path), 0);
	assert_int_equal(take(s), id + 2);
	assert_int_equal(lstat(target, &st), -1);
	segment_source_close(&s);
}

static int set_up(void **state)
{
	char path[200];
	(void)state;

	if (!mkdtemp(dir))
		return -1;
	snprintf(path, sizeof(path), "%s/segments", dir);
	return mkdir(path, 0700);
}

static int tear_down(void **state)
{
	char command[200];
	(void)state;

	snprintf(command, sizeof(command), "rm -rf %s", dir);
	return system(command);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(ids_go_up),
		cmocka_unit_test(a_lost_counter_goes_on_after_what_is_there),
		cmocka_unit_test(a_damaged_counter_goes_on_too),
		cmocka_unit_test(a_link_in_the_way_is_not_followed),
	};
	return cmocka_run_group_tests(tests, set_up, tear_down);
}
