/* master: see master.h for what it is; here is how it starts. */
#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/log.h"
#include "base/num.h"
#include "master/master.h"
#include "os/os.h"
#include "service/shared.h"

#define DESCRIPTORS 8192  /* a line to each process, the sockets, operators */
#define LOCK_MS      2000
#define LOCK_STEP_US 5000
#define ANNOUNCE_MS 15000 /* READY=1 to systemd, even if some service is not: the others serve */

struct arguments {
	const char *config_dir;
	bool background, check;
};

static struct arguments parse_arguments(int argc, char **argv)
{
	struct arguments a = {.config_dir = "/etc/thurn"};
	int opt;

	while ((opt = getopt(argc, argv, "C:btU:")) != -1) {
		if (opt == 'C') {
			a.config_dir = optarg;
		} else if (opt == 'b') {
			a.background = true;
		} else if (opt == 't') {
			a.check = true;
		} else if (opt == 'U' && upgrade_reads(optarg)) {
			/* the running master may become this one */
		} else {
			fprintf(stderr,
				"usage: master [-C DIR] [-b] [-t]\n"
				"-b: in the background, once all sockets are bound; -t: only check the "
				"configuration\n");
			exit(2);
		}
	}
	return a;
}

/* --- signals --- */

static void on_child(void *arg)
{
	children_reap(arg);
}

static void on_term(void *arg)
{
	struct master *m = arg;

	master_stop(m, m->stopping);
}

static void on_hup(void *arg)
{
	const char *err;

	master_reload(arg, &err);
}

static void on_usr1(void *arg)
{
	master_reopen_log(arg);
}

static void on_usr2(void *arg)
{
	master_upgrade(arg);
}

static void set_signals(struct master *m)
{
	signal(SIGPIPE, SIG_IGN);
	loop_signal(SIGUSR1, on_usr1, m);
	loop_signal(SIGCHLD, on_child, m);
	loop_signal(SIGTERM, on_term, m);
	loop_signal(SIGINT, on_term, m);
	loop_signal(SIGHUP, on_hup, m);
	loop_signal(SIGUSR2, on_usr2, m);
}

/* --- systemd --- */

static void on_ready_timer(void *arg)
{
	struct master *m = arg;

	if (!m->announced) {
		m->announced = true;
		log_warning("Not every service is ready.");
		os_sd_notify("READY=1");
	}
}

void master_announce(struct master *m)
{
	if (m->announced)
		return;
	list_each(l, &m->services)
	{
		struct supplied *s = list_entry(l, struct supplied, link);
		if (s->planned && !supply_is_ready(s))
			return;
	}
	m->announced = true;
	loop_timer_remove(&m->ready_timer);
	log_info("ready processes=%u start_ms=%d", children_count(m),
		(int)(clock_mono_ms() - m->started));
	os_sd_notify("READY=1");
}

static void on_watchdog(void *arg)
{
	struct master *m = arg;

	os_sd_notify("WATCHDOG=1");
	loop_timer_remove(&m->watchdog);
	m->watchdog = loop_timer_add(m->watchdog_ms, on_watchdog, m);
}

static void start_watchdog(struct master *m)
{
	const char *text = getenv("WATCHDOG_USEC");
	uint64_t us;

	if (!text || !num_parse_u64(span_of(text), INT64_MAX, &us) || us < 2000)
		return;
	m->watchdog_ms = (int64_t)(us / 2000);
	on_watchdog(m);
}

/* --- start --- */

static void die(const char *why)
{
	if (log_fd() != STDERR_FILENO)
		fprintf(stderr, "master: %s\n", why);
	log_fatal("%s", why);
}

/* The parent waits for a byte: sockets bound. Nothing came: the reason is on standard error already. */
static int go_background(void)
{
	int fds[2];
	char byte;
	pid_t pid;

	if (pipe2(fds, O_CLOEXEC) < 0 || (pid = fork()) < 0) {
		die("It can't go into the background.");
		return -1;
	}
	if (pid == 0) {
		close(fds[0]);
		setsid();
		return fds[1];
	}
	close(fds[1]);
	_exit(read(fds[0], &byte, 1) == 1 ? 0 : 1);
}

static void leave_terminal(int ready_fd, bool keep_stderr)
{
	int null = open("/dev/null", O_RDWR | O_CLOEXEC);

	dup2(null, STDIN_FILENO);
	dup2(null, STDOUT_FILENO);
	if (!keep_stderr)
		dup2(null, STDERR_FILENO);
	close(null);
	if (write(ready_fd, "1", 1) != 1)
		log_warning("The parent process did not wait.");
	close(ready_fd);
}

/* One that was killed may still be closing its files, or a process of its that had yet to become a program. */
static bool wait_for_lock(int fd)
{
	int64_t end = clock_mono_ms() + LOCK_MS;

	while (os_lock_try(fd, true) != 1) {
		if (clock_mono_ms() > end)
			return false;
		usleep(LOCK_STEP_US);
	}
	return true;
}

/* The lock says that we run, the number is for people; the lock lives as long as the descriptor. */
static void lock_pid_file(struct master *m)
{
	struct str path = STR_INIT, text = STR_INIT;

	str_printf(&path, "%s/master.pid", m->plan->config->common.run_dir);
	if (m->pid_fd < 0)
		m->pid_fd = open(str_c(&path), O_RDWR | O_CREAT | O_NOFOLLOW | O_CLOEXEC, 0644);
	if (m->pid_fd < 0)
		die("The pid file in run_dir can't be opened.");
	if (!wait_for_lock(m->pid_fd))
		die("Another master runs in this run_dir.");
	str_printf(&text, "%d\n", (int)getpid());
	if (ftruncate(m->pid_fd, 0) < 0 || os_pwrite_all(m->pid_fd, text.s, text.len, 0) < 0)
		die("The pid file can't be written.");
	str_fini(&path);
	str_fini(&text);
}

static void open_scoreboard(struct master *m)
{
	const char *err;

	if (!m->sb && scoreboard_create(&m->sb, &m->sb_fd, &err) < 0)
		die(err);
}

/* Nothing of the caller's groups, environment or open files reaches the programs. */
static void clean_process(void)
{
	struct rlimit limit;

	if (!upgrade_is_under_way())
		close_range(STDERR_FILENO + 1, ~0U, 0);
	spawn_clean_environment();
	umask(022);
	if (chdir("/") < 0)
		die("The root folder can't be entered.");
	if (geteuid() == 0 && setgroups(0, NULL) < 0)
		die("The supplementary groups can't be dropped.");
	if (getrlimit(RLIMIT_NOFILE, &limit) == 0 && limit.rlim_cur < DESCRIPTORS) {
		limit.rlim_cur = limit.rlim_max < DESCRIPTORS ? limit.rlim_max : DESCRIPTORS;
		setrlimit(RLIMIT_NOFILE, &limit);
	}
	for (int fd = 0; fd <= 2; fd++)
		if (fcntl(fd, F_GETFD) < 0)
			(void)!open("/dev/null", O_RDWR);
}

/* All that can fail comes before the first process: the terminal still hears of it. */
static void prepare(struct master *m, struct plan *plan)
{
	const char *err;

	if (layout_create(plan->config, &err) < 0)
		die(err);
	lock_pid_file(m);
	open_scoreboard(m);
	if (sockets_prepare(m, plan, &err) < 0)
		die(err);
	if (operator_open(m, &err) < 0)
		die(err);
	set_signals(m);
}

static void start(struct master *m, struct plan *plan, bool adopted)
{
	m->plan = NULL; /* there is no older one to end */
	master_carry_out(m, plan, adopted);
	m->ready_timer = loop_timer_add(ANNOUNCE_MS, on_ready_timer, m);
	start_watchdog(m);
	children_reap(m); /* who ended while an upgrade was between two binaries */
}

static struct master *master_new(struct plan *plan)
{
	struct master *m = mem_new(struct master);

	m->config_dir = mem_strdup(plan->config->dir);
	m->started = clock_mono_ms();
	list_init(&m->services);
	list_init(&m->listening);
	m->rows_used = mem_alloc(SCOREBOARD_ROWS * sizeof(bool));
	m->sb_fd = m->pid_fd = m->operator_fd = -1;
	return m;
}

int main(int argc, char **argv)
{
	struct arguments a = parse_arguments(argc, argv);
	struct plan *plan;
	struct master *m;
	const char *err;
	int ready_fd = -1;
	bool adopted;

	if (plan_read(a.config_dir, &plan, &err) < 0) {
		fprintf(stderr, "master: %s\n", err);
		return 1;
	}
	if (a.check) {
		plan_free(&plan);
		return 0;
	}
	clean_process();
	if (a.background)
		ready_fd = go_background();
	if (service_log_open("master", &plan->config->common, &err) < 0)
		die(err);
	m = master_new(plan);
	m->plan = plan;
	adopted = upgrade_adopt(m);
	prepare(m, plan);
	if (a.background)
		leave_terminal(ready_fd, strcmp(plan->config->common.log, "stderr") == 0);
	start(m, plan, adopted);
	loop_run();
	operator_close(m);
	log_info("stopped");
	/* Nobody shall take who gets our number for us. */
	if (ftruncate(m->pid_fd, 0) < 0)
		log_warning("The pid file can't be emptied: %m.");
	_exit(0);
}
