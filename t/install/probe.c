/* What a process may do: a line for each deed, "done" or "refused". The unit's sandbox is to refuse what would be done
 * without it, so the test runs this in both. It undoes what it did. */
#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <linux/keyctl.h>
#include <sched.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/personality.h>
#include <sys/prctl.h>
#include <sys/ptrace.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

static bool makes_file(const char *path)
{
	int fd = open(path, O_WRONLY | O_CREAT | O_CLOEXEC, 0600);

	if (fd < 0)
		return false;
	close(fd);
	unlink(path);
	return true;
}

static bool sees(const char *path)
{
	return access(path, F_OK) == 0;
}

/* As a worker would: what is hidden of /proc is hidden from them, not from the group of root. */
static bool sees_as_nobody(const char *path)
{
	int status;
	pid_t pid = fork();

	if (pid == 0)
		_exit(setgroups(0, NULL) < 0 || setgid(65534) < 0 || setuid(65534) < 0 || !sees(path));
	return waitpid(pid, &status, 0) == pid && status == 0;
}

static bool reads(const char *path)
{
	char c;
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	bool got = fd >= 0 && read(fd, &c, 1) == 1;

	if (fd >= 0)
		close(fd);
	return got;
}

static bool makes_folder(const char *path)
{
	return mkdir(path, 0700) == 0 && rmdir(path) == 0;
}

static bool makes_socket(int family, int type)
{
	int fd = socket(family, type, 0);

	if (fd < 0)
		return false;
	close(fd);
	return true;
}

static bool names_the_host(const char *unused)
{
	char name[65];
	(void)unused;

	return gethostname(name, sizeof(name)) == 0 && sethostname(name, strlen(name)) == 0;
}

static bool gets_netlink(const char *unused)
{
	(void)unused;
	return makes_socket(AF_NETLINK, SOCK_RAW);
}

static bool gets_packets(const char *unused)
{
	(void)unused;
	return makes_socket(AF_PACKET, SOCK_DGRAM);
}

static bool gets_namespace(const char *unused)
{
	(void)unused;
	return unshare(CLONE_NEWUTS) == 0;
}

static bool goes_real_time(const char *unused)
{
	struct sched_param none = {0}, some = {.sched_priority = 1};
	(void)unused;

	return sched_setscheduler(0, SCHED_FIFO, &some) == 0 && sched_setscheduler(0, SCHED_OTHER, &none) == 0;
}

static bool makes_set_user_id(const char *path)
{
	int fd = open(path, O_WRONLY | O_CREAT | O_CLOEXEC, 0600);
	bool did = fd >= 0 && fchmod(fd, 04755) == 0;

	if (fd >= 0)
		close(fd);
	unlink(path);
	return did;
}

static bool changes_personality(const char *unused)
{
	(void)unused;
	return personality(ADDR_NO_RANDOMIZE) != -1;
}

static bool maps_what_it_writes(const char *unused)
{
	(void)unused;
	return mmap(NULL, 4096, PROT_READ | PROT_WRITE | PROT_EXEC, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0) != MAP_FAILED;
}

static bool has_keys(const char *unused)
{
	(void)unused;
	return syscall(SYS_keyctl, KEYCTL_GET_KEYRING_ID, KEY_SPEC_SESSION_KEYRING, 0) != -1;
}

static bool may_be_traced(const char *unused)
{
	(void)unused;
	return ptrace(PTRACE_TRACEME, 0, NULL, NULL) == 0;
}

static bool may_gain_privileges(const char *unused)
{
	(void)unused;
	return prctl(PR_GET_NO_NEW_PRIVS, 0, 0, 0, 0) == 0;
}

static bool shares_mounts(const char *first)
{
	char own[64];
	ssize_t n = readlink("/proc/self/ns/mnt", own, sizeof(own) - 1);

	if (n < 0)
		return false;
	own[n] = '\0';
	return strcmp(own, first) == 0;
}

static const struct {
	const char *directive;
	bool (*deed)(const char *);
	const char *argument;
} rows[] = {
	{"ProtectSystem",           makes_file,          "/etc/probe"},
	{"ProtectSystem",           makes_file,          "/usr/lib/thurn/probe"},
	{"ProtectSystem",           makes_file,          "/var/lib/probe"},
	{"ReadOnlyPaths",           makes_file,          "/run/probe"},
	{"ReadOnlyPaths",           makes_file,          "/run/lock/probe"},
	{"ProtectHome",             sees,                "/root/thurn.deb"},
	{"ProtectHome",             makes_file,          "/home/probe"},
	{"PrivateTmp",              sees,                "/tmp/of-others"},
	{"PrivateTmp",              sees,                "/var/tmp/of-others"},
	{"PrivateDevices",          sees,                "/dev/of-others"},
	{"PrivateMounts",           shares_mounts,       NULL},
	{"ProtectHostname",         names_the_host,      NULL},
	{"ProtectKernelModules",    sees,                "/usr/lib/modules/of-others"},
	{"ProtectKernelTunables",   reads,               "/proc/kallsyms"},
	{"ProtectControlGroups",    makes_folder,        "/sys/fs/cgroup/probe"},
	{"ProtectProc",             sees_as_nobody,      "/proc/1/status"},
	{"RestrictAddressFamilies", gets_netlink,        NULL},
	{"RestrictAddressFamilies", gets_packets,        NULL},
	{"RestrictNamespaces",      gets_namespace,      NULL},
	{"RestrictRealtime",        goes_real_time,      NULL},
	{"RestrictSUIDSGID",        makes_set_user_id,   "/run/thurn/probe"},
	{"LockPersonality",         changes_personality, NULL},
	{"MemoryDenyWriteExecute",  maps_what_it_writes, NULL},
	{"SystemCallFilter",        has_keys,            NULL},
	{"SystemCallFilter",        may_be_traced,       NULL},
	{"NoNewPrivileges",         may_gain_privileges, NULL},
};

/* probe MOUNTS: the name of the first process's mount namespace. */
int main(int argc, char **argv)
{
	for (size_t i = 0; argc == 2 && i < sizeof(rows) / sizeof(*rows); i++) {
		const char *argument = rows[i].argument ? rows[i].argument : argv[1];

		printf("%s %zu %s\n", rows[i].directive, i, rows[i].deed(argument) ? "done" : "refused");
	}
	return 0;
}
