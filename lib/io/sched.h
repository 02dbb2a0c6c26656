/*
 * Inside lib/io only: the loop's and the fibers' state, shared by the files that make up the
 * scheduler. A waiter is always a struct fiber; code outside fibers waits as loop->outside, whose
 * wait runs turns of the loop.
 */
#ifndef IO_SCHED_H
#define IO_SCHED_H

#include <pthread.h>
#include <stdatomic.h>

#include "base/heap.h"
#include "base/list.h"
#include "io/fiber.h"
#include "io/io.h"
#include "io/loop.h"
#include "os/os.h"

struct log_context;

#define STACK_CACHE_MAX	 128	    /* ended fibers' stacks kept for the next ones */
#define STACK_KEPT_BYTES (8 * 1024) /* of each, the part that every fiber touches */
#define PARKED_TRIM_MS	 1000	    /* a fiber that waits longer gives back its unused stack */

struct timer {
	struct heap_node node;
	loop_fn fn;
	void *arg;
};

/* Lies at the upper end of its own stack. */
struct fiber {
	struct os_context ctx;
	struct list link;	 /* in the ready queue or a condition's waiters */
	struct list parked_link; /* in loop->parked, oldest first, until trimmed */
	struct timer timer;	 /* end of the wait */
	struct loop *loop;
	struct io_want *wants; /* what an fd wait waits for */
	size_t n_wants;
	const char *name;
	fiber_fn fn;
	void *arg;
	struct log_context *log;
	void *asan_fake;
	char *stack; /* lowest usable address */
	int64_t parked_at;
	int64_t slice_us; /* first fiber_breathe of this run, 0 before */
	bool parked, timed_out, ended;
};

/* Work handed over from another thread; freed after running when owned. */
struct post {
	struct list link;
	loop_fn fn;
	void *arg;
	bool owned;
};

struct fd_slot;
struct signal_slot;

struct loop {
	int epoll_fd;
	int wake_fd; /* eventfd, edge-triggered, never read */
	pid_t pid;
	bool in_turn, stop;
	int64_t now; /* as of this turn */
	struct fiber *current;
	struct fiber outside;
	unsigned n_fibers;
	struct list ready;
	struct list parked;
	struct list stacks; /* cached, by fiber.link */
	unsigned n_stacks;
	const void *asan_base; /* the stack that turns run on */
	size_t asan_size;
	struct heap timers;
	struct fd_slot *slots; /* by descriptor */
	size_t n_slots;
	struct signal_slot *signals; /* by number; NULL before the first */
	struct io_threads *threads;
	pthread_mutex_t post_lock;
	struct list posts;
};

/* --- loop.c --- */
struct loop *loop_get(void);  /* this thread's, made at first use */
struct loop *loop_peek(void); /* NULL before */
void timer_set(struct loop *loop, struct timer *t, int64_t at);
void loop_post_node(struct loop *loop, struct post *post);
void loop_wake(struct loop *loop);
/* Outside fibers, with none started: a wait may block the thread. Panics in a callback. */
bool loop_may_block(struct loop *loop);

/* --- fiber.c --- */
struct fiber *sched_current(struct loop *loop); /* the fiber, or loop->outside */
/* Gives way until sched_wake or the deadline; false at the deadline. The caller is in link's list
 * (or none) meanwhile and out of it afterwards. */
bool sched_park(struct loop *loop, int64_t deadline);
void sched_wake(struct fiber *f); /* nothing if it is not parked */
void sched_run_ready(struct loop *loop);

/* --- stack.c --- */
struct fiber *stack_get(struct loop *loop);
void stack_put(struct loop *loop, struct fiber *f);
void stack_drop_cached(struct loop *loop);
/* Gives back what lies below long parked fibers' frames; -1 or milliseconds to the next due. */
int64_t stack_trim_parked(struct loop *loop);

/* --- watch.c --- */
/* The event's data as registered, and what epoll says. */
void watch_dispatch(struct loop *loop, uint64_t key, uint32_t epoll_events);
/* Waits although some may be ready: right after the system call said EAGAIN, or when fd_hint()
 * says that nothing came. Level of readiness is remembered only as that hint. */
int fd_park(struct loop *loop, struct io_want *wants, size_t n, int64_t deadline);
/* fd_park, or a poll that blocks the thread where that is right. */
int fd_wait(struct io_want *wants, size_t n, int64_t deadline);
/* Input or a hang-up has been told by the kernel since fd_clear, whoever waited for it. */
bool fd_hint(int fd);
void fd_clear(int fd);
bool fd_is_waited_for(int fd, int events); /* by another fiber: two can't */
/* A descriptor number has a new owner: what was known of it is forgotten. */
void fd_forget(int fd);
/* Ends waits and registration, before close. */
void fd_detach(int fd);

/* --- signal.c --- */
void signal_dispatch(struct loop *loop);
void signal_reset(struct loop *loop);

/* --- threads.c --- */
struct io_job {
	struct list link;
	io_call_fn fn;
	void *arg;
	int rc, error;
	struct loop *loop;
	struct post post; /* post.fn(post.arg) runs on the loop afterwards */
};
void io_job_submit(struct io_threads *t, struct io_job *job, loop_fn done, void *arg);
struct io_threads *io_threads_default(struct loop *loop);

#endif
