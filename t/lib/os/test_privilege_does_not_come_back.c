/* After os_drop_privilege nothing of root is left, groups and folders included; systemd is told. */
#include <fcntl.h>
#include <grp.h>
#include <stdio.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <sys/wait.h>

#include "test.h"

#define NOBODY 65534
#define EMPTY  "/proc/self/fdinfo" /* some folder without etc/passwd in it */

static int in_child(int (*fn)(void))
{
	int status;
	pid_t child = fork();
	if (child == 0)
		_exit(fn());
	waitpid(child, &status, 0);
	return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
}

static int dropped(void)
{
	gid_t groups[2] = {4711, 4712};
	if (setgroups(2, groups) < 0)
		return 2;
	os_drop_privilege(NOBODY, NOBODY, EMPTY);
	return !(getuid() == NOBODY && geteuid() == NOBODY && getgid() == NOBODY &&
		 getgroups(2, groups) == 0 && setuid(0) < 0 && access("/etc/passwd", F_OK) < 0);
}

static int dropped_without_chroot(void)
{
	os_drop_privilege(NOBODY, NOBODY, NULL);
	return open("/etc/shadow", O_RDONLY) >= 0;
}

static int other_user(void)
{
	os_drop_privilege(NOBODY, NOBODY, NULL);
	os_drop_privilege(0, 0, NULL);
	return 0;
}

static int without_new_privileges(void)
{
	os_no_new_privs();
	return !(prctl(PR_GET_NO_NEW_PRIVS, 0, 0, 0, 0) == 1 && prctl(PR_GET_DUMPABLE) == 0);
}

static void drops(void **state)
{
	(void)state;
	assert_int_equal(in_child(without_new_privileges), 0);
	if (geteuid() != 0)
		skip();
	if (access(EMPTY, F_OK) == 0)
		assert_int_equal(in_child(dropped), 0);
	assert_int_equal(in_child(dropped_without_chroot), 0);
	assert_int_equal(in_child(other_user), 1); /* log_fatal */
}

static void systemd_is_told(void **state)
{
	(void)state;
	struct sockaddr_un at = {.sun_family = AF_UNIX};
	char got[32] = "";
	int fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0), n;
	n = snprintf(at.sun_path, sizeof(at.sun_path), "@thurn-notify-%d", (int)getpid());
	char name[64];
	memcpy(name, at.sun_path, (size_t)n + 1);
	at.sun_path[0] = '\0';
	assert_int_equal(bind(fd, (struct sockaddr *)&at,
				 (socklen_t)(offsetof(struct sockaddr_un, sun_path) + (size_t)n)),
		0);
	unsetenv("NOTIFY_SOCKET");
	os_sd_notify("READY=1");
	setenv("NOTIFY_SOCKET", name, 1);
	os_sd_notify("STATUS=here");
	assert_int_equal(recv(fd, got, sizeof(got) - 1, MSG_DONTWAIT), 11);
	assert_string_equal(got, "STATUS=here");
	close(fd);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(drops),
		cmocka_unit_test(systemd_is_told),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
