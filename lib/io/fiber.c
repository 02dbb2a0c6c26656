#include "io/sched.h"

#include <time.h>

#include "base/clock.h"
#include "base/log.h"

int64_t io_deadline(int64_t ms_from_now)
{
	int64_t now = clock_mono_ms();
	return ms_from_now >= IO_FOREVER - now ? IO_FOREVER : now + ms_from_now;
}

/* --- switching --- */

static void make_ready(struct fiber *f)
{
	f->parked = false;
	heap_remove(&f->loop->timers, &f->timer.node);
	list_remove(&f->link);
	list_remove(&f->parked_link);
	if (f != &f->loop->outside)
		list_add_tail(&f->loop->ready, &f->link);
}

static void time_out(void *arg)
{
	struct fiber *f = arg;
	f->timed_out = true;
	make_ready(f);
}

/* To the loop; returns when the fiber is resumed. */
static void switch_out(struct fiber *f)
{
	struct loop *loop = f->loop;
	os_asan_switch_start(f->ended ? NULL : &f->asan_fake, loop->asan_base, loop->asan_size);
	os_context_switch(&f->ctx, &loop->outside.ctx);
	os_asan_switch_finish(f->asan_fake, &loop->asan_base, &loop->asan_size);
}

static void resume(struct loop *loop, struct fiber *f)
{
	void *fake = NULL;
	struct log_context *outer = log_context_swap(f->log);
	loop->current = f;
	f->slice_us = 0;
	os_asan_switch_start(&fake, f->stack, (size_t)((char *)f - f->stack));
	os_context_switch(&loop->outside.ctx, &f->ctx);
	os_asan_switch_finish(fake, NULL, NULL);
	loop->current = NULL;
	f->log = log_context_swap(outer);
	if (f->ended) {
		loop->n_fibers--;
		stack_put(loop, f);
	}
}

/* One round: who becomes ready meanwhile runs in the next, after a look at the events. */
void sched_run_ready(struct loop *loop)
{
	if (list_is_empty(&loop->ready))
		return;
	struct list batch;
	list_add_after(&loop->ready, &batch);
	list_remove(&loop->ready);
	while (!list_is_empty(&batch)) {
		struct fiber *f = list_entry(batch.next, struct fiber, link);
		list_remove(&f->link);
		resume(loop, f);
	}
}

struct fiber *sched_current(struct loop *loop)
{
	return loop->current ? loop->current : &loop->outside;
}

bool sched_park(struct loop *loop, int64_t deadline)
{
	struct fiber *f = sched_current(loop);
	f->parked = true;
	f->timed_out = false;
	if (deadline != IO_FOREVER) {
		f->timer.fn = time_out;
		f->timer.arg = f;
		timer_set(loop, &f->timer, deadline);
	}
	if (f == &loop->outside) {
		while (f->parked)
			loop_turn(INT64_MAX);
	} else {
		f->parked_at = loop->now;
		list_add_tail(&loop->parked, &f->parked_link);
		switch_out(f);
	}
	return !f->timed_out;
}

void sched_wake(struct fiber *f)
{
	if (f->parked)
		make_ready(f);
}

/* --- life --- */

static void fiber_main(void *arg)
{
	struct fiber *f = arg;
	os_asan_switch_finish(NULL, &f->loop->asan_base, &f->loop->asan_size);
	f->fn(f->arg);
	f->ended = true;
	switch_out(f);
	log_panic("fiber %s goes on after its end", f->name);
}

struct fiber *fiber_start(const char *name, fiber_fn fn, void *arg)
{
	struct loop *loop = loop_get();
	struct fiber *f = stack_get(loop);
	*f = (struct fiber){.loop = loop, .name = name, .fn = fn, .arg = arg, .stack = f->stack};
	os_context_make(&f->ctx, f->stack, (size_t)((char *)f - f->stack), fiber_main, f);
	list_init(&f->parked_link);
	list_add_tail(&loop->ready, &f->link);
	loop->n_fibers++;
	return f;
}

struct fiber *fiber_self(void)
{
	struct loop *loop = loop_peek();
	return loop ? loop->current : NULL;
}

const char *fiber_name(const struct fiber *f)
{
	return f->name;
}

unsigned fiber_count(void)
{
	struct loop *loop = loop_peek();
	return loop ? loop->n_fibers : 0;
}

void fiber_trim(void)
{
	struct loop *loop = loop_peek();
	if (loop)
		stack_drop_cached(loop);
}

/* --- giving way --- */

void fiber_yield(void)
{
	struct loop *loop = loop_peek();
	if (!loop)
		return;
	struct fiber *f = loop->current;
	if (f) {
		list_add_tail(&loop->ready, &f->link);
		switch_out(f);
	} else if (!loop->in_turn) {
		loop_turn(0);
	}
}

#define SLICE_US 1000

void fiber_breathe(void)
{
	struct loop *loop = loop_peek();
	if (!loop || (!loop->current && loop->in_turn))
		return;
	struct fiber *f = sched_current(loop);
	int64_t now = clock_mono_us();
	if (!f->slice_us) {
		f->slice_us = now;
	} else if (now - f->slice_us >= SLICE_US) {
		f->slice_us = 0;
		fiber_yield();
	}
}

void io_sleep(int64_t ms)
{
	if (!loop_may_block(loop_peek())) {
		sched_park(loop_get(), io_deadline(ms < 0 ? 0 : ms));
		return;
	}
	if (ms <= 0)
		return;
	struct timespec left = {.tv_sec = ms / 1000, .tv_nsec = ms % 1000 * 1000000};
	while (clock_nanosleep(CLOCK_MONOTONIC, 0, &left, &left) != 0)
		;
}
