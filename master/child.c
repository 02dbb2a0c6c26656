/* The life of a process: states, events, and what each event does in each state (table at the end). */
#include <errno.h>
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/log.h"
#include "master/master.h"
#include "service/control.h"

#define KILL_GRACE_MS 6000 /* past its own deadline; its stop function has five seconds */

typedef void (*child_fn)(struct child *c);

const char *child_state_name(enum child_state state)
{
	static const char *const names[CH_NSTATE] = {
		[CH_STARTING] = "starting",
		[CH_READY] = "ready",
		[CH_RETIRING] = "retiring",
		[CH_STOPPING] = "stopping",
	};

	return names[state];
}

static struct master *master_of(const struct child *c)
{
	return c->service->master;
}

/* --- timers and notices --- */

static void on_timer(void *arg)
{
	child_event(arg, EV_OVERDUE);
}

static void set_timer(struct child *c, int64_t ms)
{
	loop_timer_remove(&c->timer);
	c->timer = loop_timer_add(ms, on_timer, c);
}

static void tell(struct child *c, const struct ipc_msg *msg, const void *body)
{
	struct control_none none = {0};

	if (c->line)
		ipc_send(ipc_conn_ipc(c->line), msg, 0, body ? body : &none, NULL, 0);
}

void child_progress(struct child *c)
{
	if (c->state == CH_STARTING)
		set_timer(c, master_of(c)->plan->conf.start_timeout);
}

/* --- steps --- */

static void stay(struct child *c)
{
	(void)c;
}

static void to_ready(struct child *c)
{
	struct supplied *s = c->service;

	loop_timer_remove(&c->timer);
	c->state = CH_READY;
	c->ready = clock_mono_ms();
	s->trouble = "";
	log_debug("ready service=%s pid=%d start_ms=%d", s->name, (int)c->pid,
		(int)(c->ready - c->started));
	if (c->reload_again)
		child_event(c, EV_RELOAD);
	if (supply_is_ready(s))
		supply_retire_old(s);
	supply(s);
	master_announce(s->master);
}

/* Its configuration may be read or not yet: when it is ready it will know. */
static void reload_later(struct child *c)
{
	c->reload_again = true;
}

static void tell_reload(struct child *c)
{
	c->reload_again = false;
	if (c->service->kind != KIND_SINGLE)
		return; /* it is replaced: its generation is old */
	c->generation = c->service->generation;
	tell(c, &control_reload_msg, NULL);
}

static void to_retiring(struct child *c)
{
	c->state = CH_RETIRING;
	tell(c, &control_retire_msg, NULL);
}

static void to_stopping(struct child *c)
{
	int64_t ms = master_of(c)->plan->conf.shutdown_timeout;
	struct control_stop stop = {.ms = (uint32_t)ms};

	c->state = CH_STOPPING;
	tell(c, &control_stop_msg, &stop);
	set_timer(c, ms + KILL_GRACE_MS);
}

static void kill_stuck(struct child *c)
{
	log_error("Process %d of service %s does not get ready and is killed.", (int)c->pid,
		c->service->name);
	c->service->trouble = "It does not get ready.";
	kill(c->pid, SIGKILL);
}

static void kill_late(struct child *c)
{
	log_warning("Process %d of service %s does not end and is killed.", (int)c->pid,
		c->service->name);
	kill(c->pid, SIGKILL);
}

/* --- the end --- */

static void log_end(const struct child *c, bool asked)
{
	const char *name = c->service->name;

	if (WIFSIGNALED(c->status) && WTERMSIG(c->status) == SIGSYS)
		log_error("Process %d of service %s was killed: it made a system call that its "
			  "sandbox forbids.",
			(int)c->pid, name);
	else if (WIFSIGNALED(c->status))
		log_warning("Process %d of service %s was killed by signal %d.", (int)c->pid, name,
			WTERMSIG(c->status));
	else if (WEXITSTATUS(c->status) || !asked)
		log_warning("Process %d of service %s ended with status %d%s.", (int)c->pid, name,
			WEXITSTATUS(c->status), asked ? "" : ", unasked");
	else
		log_debug("ended service=%s pid=%d", name, (int)c->pid);
}

static void child_free(struct child *c)
{
	struct master *m = master_of(c);

	loop_timer_remove(&c->timer);
	line_forget(c);
	if (c->has_row) {
		c->service->refused += scoreboard_row(m->sb, c->row)->refused;
		scoreboard_clear(m->sb, c->row);
		m->rows_used[c->row] = false;
	}
	list_remove(&c->link);
	mem_free(&c);
}

static void after_end(struct supplied *s)
{
	struct master *m = s->master;

	if (m->stopping) {
		master_stop_step(m);
		return;
	}
	supply(s);
	supply_forget_if_done(&s);
}

static void gone(struct child *c)
{
	struct supplied *s = c->service;

	log_end(c, true);
	child_free(c);
	after_end(s);
}

static void crashed(struct child *c)
{
	struct supplied *s = c->service;
	bool stable = c->ready && clock_mono_ms() - c->ready >= master_of(c)->plan->conf.stable_time;

	log_end(c, false);
	if (!c->ready)
		s->trouble = "It ends before it is ready; the log tells why.";
	supply_failed(s, c->ready != 0, stable);
	child_free(c);
	after_end(s);
}

static const child_fn steps[CH_NSTATE][EV_NEVENT] = {
	[CH_STARTING] = {
		[EV_READY] = to_ready,
		[EV_RELOAD] = reload_later,
		[EV_RETIRE] = to_stopping, /* it serves nobody */
		[EV_STOP] = to_stopping,
		[EV_OVERDUE] = kill_stuck,
		[EV_EXIT] = crashed,
	},
	[CH_READY] = {
		[EV_READY] = stay,
		[EV_RELOAD] = tell_reload,
		[EV_RETIRE] = to_retiring,
		[EV_STOP] = to_stopping,
		[EV_OVERDUE] = stay,
		[EV_EXIT] = crashed,
	},
	[CH_RETIRING] = {
		[EV_READY] = stay,
		[EV_RELOAD] = stay,
		[EV_RETIRE] = stay,
		[EV_STOP] = to_stopping,
		[EV_OVERDUE] = stay,
		[EV_EXIT] = gone,
	},
	[CH_STOPPING] = {
		[EV_READY] = stay, /* it learns of its end now */
		[EV_RELOAD] = stay,
		[EV_RETIRE] = stay,
		[EV_STOP] = stay,
		[EV_OVERDUE] = kill_late,
		[EV_EXIT] = gone,
	},
};

void child_event(struct child *c, enum child_event ev)
{
	steps[c->state][ev](c);
}

/* --- all of them --- */

struct child *child_new(struct supplied *s, pid_t pid, int line_fd)
{
	struct child *c = mem_new(struct child);

	c->service = s;
	c->pid = pid;
	c->generation = s->generation;
	c->started = clock_mono_ms();
	list_init(&c->takings);
	list_add_tail(&s->children, &c->link);
	if (line_fd >= 0)
		c->line = line_open(c, line_fd);
	child_progress(c);
	return c;
}

static struct child *find_pid(struct master *m, pid_t pid)
{
	list_each(ls, &m->services)
	{
		struct supplied *s = list_entry(ls, struct supplied, link);
		list_each(lc, &s->children)
		{
			struct child *c = list_entry(lc, struct child, link);
			if (c->pid == pid)
				return c;
		}
	}
	return NULL;
}

void children_reap(struct master *m)
{
	int status;
	pid_t pid;

	while ((pid = waitpid(-1, &status, WNOHANG)) > 0) {
		struct child *c = find_pid(m, pid);
		if (!c)
			continue;
		c->status = status;
		child_event(c, EV_EXIT);
	}
}

void children_move_log(struct master *m)
{
	struct control_none none = {0};
	int fd = log_fd();

	list_each(ls, &m->services)
	{
		struct supplied *s = list_entry(ls, struct supplied, link);
		list_each(lc, &s->children)
		{
			struct child *c = list_entry(lc, struct child, link);
			if (fd >= 0 && c->line)
				ipc_send(ipc_conn_ipc(c->line), &control_log_msg, 0, &none, &fd, 1);
		}
	}
}

unsigned children_count(const struct master *m)
{
	unsigned n = 0;

	list_each(ls, &m->services)
	{
		struct supplied *s = list_entry(ls, struct supplied, link);
		list_each(lc, &s->children)
		{
			n++;
		}
	}
	return n;
}
