#include "io/commit.h"

#include <errno.h>
#include <unistd.h>

#include "base/log.h"
#include "base/pool.h"
#include "io/sched.h"

/*
 * Syncs are numbered from 1. Who arrives waits for the number after the one under way, so that its
 * bytes were written before that sync began. The end of one sync starts the next right away if
 * somebody waits for it.
 */
struct commit {
	int fd;
	int (*sync)(int fd);
	struct io_job job;
	bool running;
	int dead; /* errno of the failed sync; 0: alive */
	uint64_t started, waits;
	unsigned inside; /* callers of commit_wait, also those that were served and have not run yet */
	struct fiber_cond served[2]; /* by the parity of the sync's number */
	struct fiber_cond idle;
};

struct commit *commit_new(int fd, int (*sync)(int fd))
{
	struct commit *c = mem_new(struct commit);
	c->fd = fd;
	c->sync = sync ? sync : fdatasync;
	return c;
}

static void run_next(struct commit *c);

static int run_sync(void *arg)
{
	struct commit *c = arg;
	return c->sync(c->fd);
}

static void take_result(struct commit *c, int rc, int error)
{
	if (rc != 0)
		c->dead = error ? error : EIO;
}

static void tell_idle(struct commit *c)
{
	if (!c->running && !c->inside)
		fiber_wake_all(&c->idle);
}

static void sync_done(void *arg)
{
	struct commit *c = arg;
	struct fiber_cond *mine = &c->served[c->started % 2],
			  *next = &c->served[(c->started + 1) % 2];
	c->running = false;
	take_result(c, c->job.rc, c->job.error);
	if (c->dead)
		fiber_wake_all(next);
	else if (fiber_has_waiters(next))
		run_next(c);
	fiber_wake_all(mine);
	tell_idle(c);
}

static void run_next(struct commit *c)
{
	c->running = true;
	c->started++;
	c->job.fn = run_sync;
	c->job.arg = c;
	io_job_submit(io_threads_default(loop_get()), &c->job, sync_done, c);
}

int commit_wait(struct commit *c)
{
	c->waits++;
	if (!c->dead && !c->running && loop_may_block(loop_peek())) {
		c->started++;
		int rc = run_sync(c);
		take_result(c, rc, errno);
	} else if (!c->dead) {
		uint64_t number = c->started + 1;
		if (!c->running)
			run_next(c);
		c->inside++;
		fiber_wait(&c->served[number % 2], IO_FOREVER);
		c->inside--;
		tell_idle(c);
	}
	errno = c->dead;
	return c->dead ? -1 : 0;
}

bool commit_is_dead(const struct commit *c)
{
	return c->dead != 0;
}

void commit_stats(const struct commit *c, uint64_t *syncs_r, uint64_t *waits_r)
{
	*syncs_r = c->started;
	*waits_r = c->waits;
}

void commit_free(struct commit **commit)
{
	struct commit *c = *commit;
	if (!c)
		return;
	while (c->running || c->inside)
		fiber_wait(&c->idle, IO_FOREVER);
	mem_free(commit);
}
