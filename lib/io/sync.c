/* Conditions, mutual exclusion and groups: queues of parked fibers. */
#include "base/log.h"
#include "io/sched.h"

int fiber_wait(struct fiber_cond *c, int64_t deadline)
{
	struct loop *loop = loop_get();
	if (!loop->current && loop->in_turn)
		log_panic("a callback of the loop waits for a condition; it must start a fiber");
	if (!c->waiters.next)
		list_init(&c->waiters);
	list_add_tail(&c->waiters, &sched_current(loop)->link);
	return sched_park(loop, deadline) ? 0 : -1;
}

bool fiber_has_waiters(const struct fiber_cond *c)
{
	return c->waiters.next && !list_is_empty(&c->waiters);
}

static struct fiber *first_waiter(const struct fiber_cond *c)
{
	return fiber_has_waiters(c) ? list_entry(c->waiters.next, struct fiber, link) : NULL;
}

void fiber_wake_one(struct fiber_cond *c)
{
	struct fiber *f = first_waiter(c);
	if (f)
		sched_wake(f);
}

void fiber_wake_all(struct fiber_cond *c)
{
	for (struct fiber *f; (f = first_waiter(c));)
		sched_wake(f);
}

int fiber_lock(struct fiber_mutex *m, int64_t deadline)
{
	struct fiber *self = sched_current(loop_get());
	if (m->owner == self)
		log_panic("fiber %s locks twice", self->name);
	if (!m->owner) {
		m->owner = self;
		return 0;
	}
	return fiber_wait(&m->cond, deadline); /* fiber_unlock made it ours */
}

void fiber_unlock(struct fiber_mutex *m)
{
	struct fiber *self = sched_current(loop_get()), *next = first_waiter(&m->cond);
	if (m->owner != self)
		log_panic("fiber %s unlocks what it does not hold", self->name);
	m->owner = next;
	if (next)
		sched_wake(next);
}

void fiber_group_enter(struct fiber_group *g)
{
	g->n++;
}

void fiber_group_leave(struct fiber_group *g)
{
	if (!g->n)
		log_panic("fiber_group_leave without enter");
	if (--g->n == 0)
		fiber_wake_all(&g->cond);
}

int fiber_group_wait(struct fiber_group *g, int64_t deadline)
{
	while (g->n)
		if (fiber_wait(&g->cond, deadline) < 0)
			return -1;
	return 0;
}
