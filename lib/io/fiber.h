/*
 * Fibers: straight-line code over one event loop per thread. A fiber runs until it waits (any io_*,
 * fiber_* wait, stream read or flush); nothing else switches. Called outside a fiber, every waiting
 * function simply blocks the thread, so that library code serves daemons, tools and tests alike.
 *
 * Fibers never migrate between threads. Stacks are mmap'd with a guard page (FIBER_STACK bytes, of
 * which only the touched pages cost memory) and cached for reuse; an overflow is a crash, never
 * corruption.
 */
#ifndef IO_FIBER_H
#define IO_FIBER_H

#include <stdbool.h>
#include <stdint.h>

#include "base/list.h"

struct fiber;

typedef void (*fiber_fn)(void *arg);

/* Monotonic milliseconds (clock_mono_ms) at which a wait gives up. */
#define IO_FOREVER INT64_MAX
int64_t io_deadline(int64_t ms_from_now);

/* Starts a detached fiber on this thread's loop; it runs at the next turn of the loop. name must
 * outlive it. The log context is inherited as NULL. */
struct fiber *fiber_start(const char *name, fiber_fn fn, void *arg);
struct fiber *fiber_self(void); /* NULL outside fibers */
const char *fiber_name(const struct fiber *f);
unsigned fiber_count(void);
/* Gives back the stacks of this thread's fibers that have ended, which are kept for the next ones. */
void fiber_trim(void);

/* Lets the other ready fibers and events have a turn. Loops over many items call
 * fiber_breathe(), which yields only when this fiber has run for more than a millisecond. */
void fiber_yield(void);
void fiber_breathe(void);
void io_sleep(int64_t ms);

/* Conditions: no lost wake-ups within one thread, because nothing runs between test and wait.
 * Zero-initialise. wait returns 0 when woken, -1 at the deadline. FIFO. Outside fibers a wait runs
 * the loop. */
struct fiber_cond {
	struct list waiters;
};
int fiber_wait(struct fiber_cond *c, int64_t deadline);
void fiber_wake_one(struct fiber_cond *c);
void fiber_wake_all(struct fiber_cond *c);
bool fiber_has_waiters(const struct fiber_cond *c);

/* Mutual exclusion between fibers of one thread that wait while they hold it. FIFO. */
struct fiber_mutex {
	struct fiber *owner;
	struct fiber_cond cond;
};
int fiber_lock(struct fiber_mutex *m, int64_t deadline); /* 0, or -1 at the deadline */
void fiber_unlock(struct fiber_mutex *m);

/* Counts fibers that somebody waits for: enter before fiber_start, leave at its end. */
struct fiber_group {
	unsigned n;
	struct fiber_cond cond;
};
void fiber_group_enter(struct fiber_group *g);
void fiber_group_leave(struct fiber_group *g);
int fiber_group_wait(struct fiber_group *g, int64_t deadline);

#endif
