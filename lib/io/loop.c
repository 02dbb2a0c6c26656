#include "io/sched.h"

#include <errno.h>
#include <signal.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/log.h"
#include "base/pool.h"

#define EVENTS_MAX 128
#define WAKE_KEY   UINT64_MAX

struct loop_timer {
	struct timer timer;
};

/* One loop a thread, found without being passed: io_* are called from code that knows none. */
static _Thread_local struct loop *this_loop;

static struct loop *loop_create(void)
{
	struct loop *loop = mem_new(struct loop);
	loop->epoll_fd = epoll_create1(EPOLL_CLOEXEC);
	loop->wake_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	if (loop->epoll_fd < 0 || loop->wake_fd < 0)
		log_fatal("An event loop can't be made: %m.");
	struct epoll_event ev = {.events = EPOLLIN | EPOLLET, .data.u64 = WAKE_KEY};
	if (epoll_ctl(loop->epoll_fd, EPOLL_CTL_ADD, loop->wake_fd, &ev) < 0)
		log_fatal("An event loop can't be made: %m.");
	loop->pid = getpid();
	loop->now = clock_mono_ms();
	loop->outside.loop = loop;
	loop->outside.name = "outside";
	list_init(&loop->outside.link);
	list_init(&loop->outside.parked_link);
	list_init(&loop->ready);
	list_init(&loop->parked);
	list_init(&loop->stacks);
	list_init(&loop->posts);
	pthread_mutex_init(&loop->post_lock, NULL);
	/* A peer that goes away is an error of the write, never a signal. */
	signal(SIGPIPE, SIG_IGN);
	return loop;
}

struct loop *loop_peek(void)
{
	return this_loop;
}

struct loop *loop_get(void)
{
	if (!this_loop)
		this_loop = loop_create();
	return this_loop;
}

struct loop *loop_self(void)
{
	return loop_get();
}

void loop_close(void)
{
	struct loop *loop = this_loop;
	if (!loop)
		return;
	bool forked = loop->pid != getpid();
	if (!forked && loop->in_turn)
		log_panic("loop_close from inside the loop");
	if (!forked && loop->threads)
		io_threads_free(&loop->threads);
	signal_reset(loop);
	close(loop->epoll_fd);
	close(loop->wake_fd);
	stack_drop_cached(loop);
	heap_fini(&loop->timers);
	mem_free(&loop->slots);
	if (!forked)
		pthread_mutex_destroy(&loop->post_lock);
	this_loop = NULL;
	/* A child that was forked in a fiber goes on running on that fiber's stack, and the
	 * parent's fibers still point here. */
	if (!loop->n_fibers)
		mem_free(&loop);
}

bool loop_may_block(struct loop *loop)
{
	if (!loop)
		return true;
	if (loop->current)
		return false;
	if (loop->in_turn)
		log_panic("a callback of the loop waits; it must start a fiber");
	return loop->n_fibers == 0;
}

/* --- timers --- */

void timer_set(struct loop *loop, struct timer *t, int64_t at)
{
	heap_add(&loop->timers, &t->node, at);
}

struct loop_timer *loop_timer_add(int64_t ms_from_now, loop_fn fn, void *arg)
{
	struct loop_timer *t = mem_new(struct loop_timer);
	t->timer.fn = fn;
	t->timer.arg = arg;
	timer_set(loop_get(), &t->timer, io_deadline(ms_from_now));
	return t;
}

void loop_timer_remove(struct loop_timer **t)
{
	if (!*t)
		return;
	heap_remove(&loop_get()->timers, &(*t)->timer.node);
	mem_free(t);
}

/* At most as many as there were, so that a timer that sets itself again for now can't hold the
 * turn. */
static void run_timers(struct loop *loop)
{
	for (size_t most = loop->timers.n; most; most--) {
		struct heap_node *node = heap_first(&loop->timers);
		if (!node || node->key > loop->now)
			return;
		struct timer *t = container_of(node, struct timer, node);
		heap_remove(&loop->timers, node);
		t->fn(t->arg);
	}
}

/* --- work from other threads --- */

void loop_wake(struct loop *loop)
{
	uint64_t one = 1;
	while (write(loop->wake_fd, &one, sizeof(one)) < 0 && errno == EINTR)
		;
}

void loop_post_node(struct loop *loop, struct post *post)
{
	pthread_mutex_lock(&loop->post_lock);
	bool was_empty = list_is_empty(&loop->posts);
	list_add_tail(&loop->posts, &post->link);
	pthread_mutex_unlock(&loop->post_lock);
	if (was_empty)
		loop_wake(loop);
}

void loop_post(struct loop *loop, loop_fn fn, void *arg)
{
	struct post *post = mem_new(struct post);
	post->fn = fn;
	post->arg = arg;
	post->owned = true;
	loop_post_node(loop, post);
}

static void run_posts(struct loop *loop)
{
	struct list batch;
	list_init(&batch);
	pthread_mutex_lock(&loop->post_lock);
	if (!list_is_empty(&loop->posts)) {
		list_add_after(&loop->posts, &batch);
		list_remove(&loop->posts);
	}
	pthread_mutex_unlock(&loop->post_lock);
	while (!list_is_empty(&batch)) {
		struct post *post = list_entry(batch.next, struct post, link), todo = *post;
		list_remove(&post->link);
		if (post->owned)
			mem_free(&post);
		todo.fn(todo.arg);
	}
}

/* --- turns --- */

static int wait_ms(struct loop *loop, int64_t ms)
{
	if (!list_is_empty(&loop->ready))
		return 0;
	struct heap_node *first = heap_first(&loop->timers);
	int64_t trim = stack_trim_parked(loop);
	if (first && first->key - loop->now < ms)
		ms = first->key - loop->now;
	if (trim >= 0 && trim < ms)
		ms = trim;
	return ms < 0 ? 0 : ms > INT32_MAX ? INT32_MAX : (int)ms;
}

static void turn(struct loop *loop, int64_t ms)
{
	struct epoll_event events[EVENTS_MAX];
	if (loop->in_turn)
		log_panic("a turn of the loop inside a turn: a callback waits");
	loop->in_turn = true;
	loop->now = clock_mono_ms();
	int n = epoll_wait(loop->epoll_fd, events, EVENTS_MAX, wait_ms(loop, ms));
	if (n < 0 && errno != EINTR)
		log_panic("epoll_wait: %m");
	loop->now = clock_mono_ms();
	for (int i = 0; i < n; i++) {
		if (events[i].data.u64 != WAKE_KEY) {
			watch_dispatch(loop, events[i].data.u64, events[i].events);
			continue;
		}
		signal_dispatch(loop);
		run_posts(loop);
	}
	run_timers(loop);
	sched_run_ready(loop);
	loop->in_turn = false;
}

void loop_turn(int64_t ms)
{
	turn(loop_get(), ms);
}

void loop_run(void)
{
	struct loop *loop = loop_get();
	while (!loop->stop)
		turn(loop, INT64_MAX);
	loop->stop = false;
}

void loop_stop(void)
{
	loop_get()->stop = true;
}
