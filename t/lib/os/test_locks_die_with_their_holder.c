/* File locks exclude between opens of a file, also in one process, and end with the last
 * descriptor. */
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <sys/wait.h>

#include "test.h"

static int open_locked_file(const char *path)
{
	int fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
	assert_true(fd >= 0);
	return fd;
}

static void exclusion(void **state)
{
	(void)state;
	char path[] = "/tmp/thurn-lock-XXXXXX";
	int a = mkstemp(path), b = open_locked_file(path), c = open_locked_file(path);
	assert_int_equal(os_lock_try(a, true), 1);
	assert_int_equal(os_lock_try(b, true), 0);
	assert_int_equal(os_lock_try(b, false), 0);
	os_unlock(a);
	assert_int_equal(os_lock_try(b, false), 1);
	assert_int_equal(os_lock_try(c, false), 1); /* readers share */
	assert_int_equal(os_lock_try(a, true), 0);
	close(b);
	assert_int_equal(os_lock_try(a, true), 0);
	close(c);
	assert_int_equal(os_lock_try(a, true), 1);
	assert_int_equal(os_lock_try(-1, true), -1);
	close(a);
	unlink(path);
}

static void a_killed_holder_lets_go(void **state)
{
	(void)state;
	char path[] = "/tmp/thurn-lock-XXXXXX", byte;
	int fd = mkstemp(path), told[2];
	assert_int_equal(pipe(told), 0);
	pid_t child = fork();
	if (child == 0) {
		int own = open(path, O_RDWR);
		if (os_lock_wait(own, true) == 0 && write(told[1], "!", 1) == 1)
			pause();
		_exit(1);
	}
	assert_int_equal(read(told[0], &byte, 1), 1);
	assert_int_equal(os_lock_try(fd, true), 0);
	kill(child, SIGKILL);
	waitpid(child, NULL, 0);
	assert_int_equal(os_lock_try(fd, true), 1);
	close(fd);
	close(told[0]);
	close(told[1]);
	unlink(path);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(exclusion),
		cmocka_unit_test(a_killed_holder_lets_go),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
