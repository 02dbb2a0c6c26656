#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include "admin/sendmail/sendmail.h"

/* The set-group-id that is kept aside, the same as the real one when there is none: process state,
 * like the ids themselves, which is why it is no part of a struct. Written once by harden(). */
static gid_t kept_group;

/*
 * 0, 1 and 2 have to be something: a file opened into them would get what is meant for the caller.
 */
static void open_standard(void)
{
	int fd;
	do
		fd = open("/dev/null", O_RDWR);
	while (fd >= 0 && fd <= STDERR_FILENO);
	if (fd < 0)
		_exit(EX_OSERR);
	closefrom(STDERR_FILENO + 1);
}

/*
 * A caller may have made limits so small that a message is cut: then writing has to fail, not kill.
 */
static void reset_signals(void)
{
	static const int ignored[] = {SIGPIPE, SIGXFSZ, SIGHUP, SIGTTOU};
	sigset_t none;
	sigemptyset(&none);
	sigprocmask(SIG_SETMASK, &none, NULL);
	for (size_t i = 0; i < COUNT_OF(ignored); i++)
		signal(ignored[i], SIG_IGN);
	signal(SIGALRM, SIG_DFL);
	signal(SIGCHLD, SIG_DFL);
	alarm(0);
}

/* As far as the hard limits go. */
static void raise_limits(void)
{
	static const int limits[] = {RLIMIT_FSIZE, RLIMIT_CPU, RLIMIT_DATA};
	for (size_t i = 0; i < COUNT_OF(limits); i++) {
		struct rlimit l;
		if (getrlimit(limits[i], &l) == 0) {
			l.rlim_cur = l.rlim_max;
			setrlimit(limits[i], &l);
		}
	}
	setrlimit(RLIMIT_CORE, &(struct rlimit){0, 0});
}

void harden(void)
{
	kept_group = getegid();
	if (setresgid(getgid(), getgid(), kept_group) < 0 || setreuid(getuid(), getuid()) < 0)
		_exit(EX_OSERR);
	if (clearenv() != 0)
		_exit(EX_OSERR);
	setenv("PATH", "/usr/bin:/bin", 1);
	open_standard();
	reset_signals();
	raise_limits();
	umask(077);
}

bool harden_is_setgid(void)
{
	return kept_group != getgid();
}

int harden_with_group(int (*fn)(void *arg), void *arg)
{
	if (setegid(kept_group) < 0)
		return say(EX_OSERR, "The group of the drop folder can't be taken.");
	int rc = fn(arg);
	if (setresgid(getgid(), getgid(), getgid()) < 0)
		_exit(EX_OSERR);
	return rc;
}
