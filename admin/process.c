#include "admin/process.h"

#include <dirent.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/num.h"
#include "io/fiber.h"
#include "os/os.h"

#define POLL_MS      5
#define PID_FILE_MAX 64
#define PROC_MAX     (256 * 1024)

/* What /proc tells of a process; files there have no size, so they are read to their end. */
static bool read_proc(pid_t pid, const char *name, struct str *out)
{
	char path[64];
	snprintf(path, sizeof(path), "/proc/%d/%s", (int)pid, name);
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	ssize_t n = fd < 0 ? -1 : 1;
	str_reset(out);
	while (n > 0 && out->len < PROC_MAX) {
		n = read(fd, str_reserve(out, 4096), 4096);
		out->len += n > 0 ? (size_t)n : 0;
	}
	if (fd >= 0)
		close(fd);
	if (out->len)
		out->s[out->len] = '\0';
	return n == 0 && out->len;
}

/* proc(5): fields of stat, the last one being what we need; 0 is the name. */
enum { STAT_STATE = 1, STAT_SESSION = 4, STAT_THREADS = 18, STAT_FIELDS };

/* Alive and in that session. The command's name may hold anything, so fields count from the last
 * ')'. The first thread of many may be a zombie while the others still hold the files. */
static bool is_in_session(const char *stat, pid_t session)
{
	const char *end = strrchr(stat, ')');
	struct span rest = span_of(end), field[STAT_FIELDS];
	uint64_t sid, threads;
	for (size_t i = 0; i < STAT_FIELDS; i++)
		if (!span_split(&rest, ' ', &field[i]))
			return false;
	if (!num_parse_u64(field[STAT_SESSION], INT32_MAX, &sid) ||
		!num_parse_u64(field[STAT_THREADS], INT32_MAX, &threads) || sid != (uint64_t)session)
		return false;
	return (!span_is(field[STAT_STATE], "Z") && !span_is(field[STAT_STATE], "X")) || threads > 1;
}

static bool has_argument(struct span cmdline, const char *arg)
{
	struct span word;
	while (span_split(&cmdline, '\0', &word))
		if (span_is(word, arg))
			return true;
	return false;
}

enum life {
	GONE,   /* or somebody else's */
	ENDING, /* a process gives up its memory, and its command line with that, long before its files */
	AT_WORK,
};

static enum life life_of(struct config *config, pid_t pid, pid_t session)
{
	struct str text = STR_INIT;
	enum life life = GONE;
	if (pid > 1 && read_proc(pid, "stat", &text) && is_in_session(str_c(&text), session)) {
		if (!read_proc(pid, "cmdline", &text))
			life = ENDING;
		else if (has_argument(str_span(&text), config->dir))
			life = AT_WORK;
	}
	str_fini(&text);
	return life;
}

static const char *pid_file(struct config *config)
{
	return pool_printf(config->pool, "%s/master.pid", config->common.run_dir);
}

pid_t process_master_pid(struct config *config)
{
	char *text;
	size_t n;
	uint32_t pid = 0;
	if (os_read_file(AT_FDCWD, pid_file(config), PID_FILE_MAX, &text, &n) < 0)
		return 0;
	if (!num_parse_u32(span_trim(span_make(text, n)), 1u << 30, &pid))
		pid = 0;
	free(text);
	return (pid_t)pid;
}

bool process_is_locked(struct config *config)
{
	int fd = open(pid_file(config), O_RDONLY | O_NOFOLLOW | O_CLOEXEC);
	bool held = fd >= 0 && os_lock_is_held(fd);
	if (fd >= 0)
		close(fd);
	return held;
}

bool process_is_at_work(struct config *config, pid_t master)
{
	return life_of(config, master, master) == AT_WORK;
}

size_t process_signal_all(struct config *config, pid_t master, int signo)
{
	DIR *proc = master > 1 ? opendir("/proc") : NULL;
	size_t n = 0;
	for (struct dirent *e; proc && (e = readdir(proc));) {
		uint32_t pid;
		if (!num_parse_u32(span_of(e->d_name), 1u << 30, &pid) ||
			life_of(config, (pid_t)pid, master) == GONE)
			continue;
		if (signo)
			kill((pid_t)pid, signo);
		n++;
	}
	if (proc)
		closedir(proc);
	return n;
}

int process_wait_gone(struct config *config, pid_t master, int signo, int64_t ms)
{
	int64_t end = clock_mono_ms() + ms;
	while (process_signal_all(config, master, signo) || process_is_locked(config)) {
		if (clock_mono_ms() > end)
			return -1;
		io_sleep(POLL_MS);
	}
	return 0;
}
