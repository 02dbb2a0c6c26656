/*
 * The sandbox: a list of system calls that daemons need; what a hijacked one would need kills the process
 * (master logs it), anything else fails with EPERM. It comes on top of the uid, the chroot and
 * no-new-privs, so it need not judge paths.
 */
#include <errno.h>
#include <linux/sched.h>
#include <seccomp.h>
#include <sys/ioctl.h>
#include <sys/socket.h>

#include "base/array.h"
#include "base/log.h"
#include "os/os.h"
#include "service/engine.h"

static const char *const allowed[] = {
	/* files */
	"read", "write", "readv", "writev", "pread64", "pwrite64", "preadv", "pwritev", "preadv2",
	"pwritev2", "open", "openat", "openat2", "creat", "close", "close_range", "stat", "fstat",
	"lstat", "newfstatat", "statx", "statfs", "fstatfs", "lseek", "access", "faccessat",
	"faccessat2", "dup", "dup2", "dup3", "fcntl", "flock", "fsync", "fdatasync",
	"sync_file_range", "truncate", "ftruncate", "fallocate", "fadvise64", "readahead",
	"getdents", "getdents64", "getcwd", "chdir", "fchdir", "rename", "renameat", "renameat2",
	"mkdir", "mkdirat", "rmdir", "unlink", "unlinkat", "link", "linkat", "symlink", "symlinkat",
	"readlink", "readlinkat", "chmod", "fchmod", "fchmodat", "umask", "utimensat", "futimesat",
	"utime", "utimes", "sendfile", "splice", "copy_file_range", "memfd_create", "pipe", "pipe2",
	/* sockets; socket itself below */
	"socketpair", "connect", "bind", "listen", "accept", "accept4", "sendto", "recvfrom",
	"sendmsg", "recvmsg", "sendmmsg", "recvmmsg", "shutdown", "getsockname", "getpeername",
	"setsockopt", "getsockopt",
	/* waiting and time */
	"poll", "ppoll", "select", "pselect6", "epoll_create", "epoll_create1", "epoll_ctl",
	"epoll_wait", "epoll_pwait", "epoll_pwait2", "eventfd", "eventfd2", "timerfd_create",
	"timerfd_settime", "timerfd_gettime", "signalfd", "signalfd4", "inotify_init1",
	"inotify_add_watch", "inotify_rm_watch", "nanosleep", "clock_nanosleep", "clock_gettime",
	"clock_getres", "gettimeofday", "time", "times", "alarm", "setitimer", "getitimer", "pause",
	/* memory */
	"mmap", "munmap", "mprotect", "mremap", "madvise", "msync", "mincore", "mlock", "munlock",
	"brk", "membarrier",
	/* threads and signals; clone below */
	"futex", "futex_waitv", "set_robust_list", "get_robust_list", "set_tid_address", "rseq",
	"sched_yield", "sched_getaffinity", "sched_setaffinity", "sched_getparam",
	"sched_getscheduler", "sched_get_priority_max", "sched_get_priority_min", "getcpu",
	"rt_sigaction", "rt_sigprocmask", "rt_sigreturn", "rt_sigpending", "rt_sigtimedwait",
	"rt_sigsuspend", "sigaltstack", "tgkill", "restart_syscall", "exit", "exit_group",
	"arch_prctl", "prctl", "wait4", "waitid",
	/* who and how much */
	"getpid", "gettid", "getppid", "getuid", "geteuid", "getgid", "getegid", "getresuid",
	"getresgid", "getgroups", "getpgrp", "getpgid", "getsid", "uname", "sysinfo", "getrlimit",
	"setrlimit", "prlimit64", "getrusage", "getpriority", "setpriority", "getrandom", "capget",
};

/* What no daemon does, and a hijacked one would. */
static const char *const hostile[] = {
	"ptrace", "process_vm_readv", "process_vm_writev", "mount", "umount2", "move_mount",
	"open_tree", "fsopen", "pivot_root", "chroot", "setns", "unshare", "init_module",
	"finit_module", "delete_module", "kexec_load", "kexec_file_load", "bpf", "perf_event_open",
	"keyctl", "add_key", "request_key", "reboot", "swapon", "swapoff", "userfaultfd", "acct",
	"settimeofday", "clock_settime", "sethostname", "iopl", "ioperm", "mknod", "mknodat",
	"open_by_handle_at", "setuid", "setgid", "setreuid", "setregid", "setresuid", "setresgid",
	"setgroups", "setfsuid", "setfsgid", "capset",
};

/* What starts programs: hostile, or needed with SERVICE_EXEC. */
static const char *const starting[] = {"execve", "execveat", "fork", "vfork"};
static const char *const supervising[] = {"kill", "setsid", "setpgid", "clone", "clone3"};

/* TCGETS: isatty of the C library. */
static const unsigned long ioctls[] = {FIONREAD, FIONBIO, FIOCLEX, TCGETS, 0x40049409 /* FICLONE */};

static void add(scmp_filter_ctx ctx, uint32_t action, const char *name)
{
	int nr = seccomp_syscall_resolve_name(name);

	/* What this processor or library does not know can't be called by name either. */
	if (nr == __NR_SCMP_ERROR || nr < 0)
		return;
	if (seccomp_rule_add(ctx, action, nr, 0) < 0)
		log_fatal("The sandbox does not take a rule for %s.", name);
}

static void add_all(scmp_filter_ctx ctx, uint32_t action, const char *const *names, size_t n)
{
	for (size_t i = 0; i < n; i++)
		add(ctx, action, names[i]);
}

static void add_if(scmp_filter_ctx ctx, int nr, struct scmp_arg_cmp condition)
{
	if (seccomp_rule_add_array(ctx, SCMP_ACT_ALLOW, nr, 1, &condition) < 0)
		log_fatal("The sandbox does not take a rule for system call %d.", nr);
}

static void add_sockets(scmp_filter_ctx ctx, bool net)
{
	add_if(ctx, SCMP_SYS(socket), SCMP_A0(SCMP_CMP_EQ, AF_UNIX));
	if (!net)
		return;
	add_if(ctx, SCMP_SYS(socket), SCMP_A0(SCMP_CMP_EQ, AF_INET));
	add_if(ctx, SCMP_SYS(socket), SCMP_A0(SCMP_CMP_EQ, AF_INET6));
}

static void add_processes(scmp_filter_ctx ctx, bool exec)
{
	if (exec) {
		add_all(ctx, SCMP_ACT_ALLOW, starting, COUNT_OF(starting));
		add_all(ctx, SCMP_ACT_ALLOW, supervising, COUNT_OF(supervising));
		return;
	}
	add_all(ctx, SCMP_ACT_KILL_PROCESS, starting, COUNT_OF(starting));
	/* Threads only. The C library tries clone3, whose flags a filter can't see, and believes
	 * only ENOSYS. */
	add_if(ctx, SCMP_SYS(clone), SCMP_A0(SCMP_CMP_MASKED_EQ, CLONE_THREAD, CLONE_THREAD));
	if (seccomp_rule_add(ctx, SCMP_ACT_ERRNO(ENOSYS), SCMP_SYS(clone3), 0) < 0)
		log_fatal("The sandbox does not take a rule for clone3.");
}

void sandbox_enter(unsigned flags)
{
	scmp_filter_ctx ctx;

	if (os_is_sanitized())
		return;
	ctx = seccomp_init(SCMP_ACT_ERRNO(EPERM));
	if (!ctx)
		log_fatal("The sandbox can't be built.");
	seccomp_attr_set(ctx, SCMP_FLTATR_CTL_OPTIMIZE, 2); /* a search tree, not a list */
	seccomp_attr_set(ctx, SCMP_FLTATR_ACT_BADARCH, SCMP_ACT_KILL_PROCESS);
	seccomp_attr_set(ctx, SCMP_FLTATR_CTL_SSB, 1); /* no slow mode for each start */
	add_all(ctx, SCMP_ACT_ALLOW, allowed, COUNT_OF(allowed));
	add_all(ctx, SCMP_ACT_KILL_PROCESS, hostile, COUNT_OF(hostile));
	add_sockets(ctx, !(flags & SERVICE_NO_NET));
	add_processes(ctx, flags & SERVICE_EXEC);
	for (size_t i = 0; i < COUNT_OF(ioctls); i++)
		add_if(ctx, SCMP_SYS(ioctl), SCMP_A1(SCMP_CMP_EQ, ioctls[i]));
	if (seccomp_load(ctx) < 0)
		log_fatal("The sandbox can't be entered.");
	seccomp_release(ctx);
}
