/*
 * How many workers a service has: at least min_workers; one more each time all are full, up to
 * max_workers; one fewer when it has not been needed for spare_time. What ends unasked is started again after a pause that
 * doubles from restart_first to restart_most.
 */
#include "base/clock.h"
#include "base/log.h"
#include "master/master.h"

#define FAILURES_MAX 30 /* doublings */
#define READY_PAUSE_MOST 1000 /* ms; what was killed has to be back soon, what cannot even start may wait longer */

struct supplied *supply_find(struct master *m, const char *name)
{
	list_each(l, &m->services)
	{
		struct supplied *s = list_entry(l, struct supplied, link);
		if (strcmp(s->name, name) == 0)
			return s;
	}
	return NULL;
}

struct supplied *supply_new(struct master *m, const char *name)
{
	struct supplied *s = mem_new(struct supplied);

	s->master = m;
	s->name = mem_strdup(name);
	s->trouble = "";
	list_init(&s->children);
	list_add_tail(&m->services, &s->link);
	return s;
}

void supply_forget_if_done(struct supplied **sp)
{
	struct supplied *s = *sp;

	if (s->planned || !list_is_empty(&s->children))
		return;
	loop_timer_remove(&s->retry);
	list_remove(&s->link);
	mem_free(&s->name);
	mem_free(&s->program);
	mem_free(&s);
	*sp = NULL;
}

static bool is_current(const struct child *c)
{
	return c->generation == c->service->generation &&
		(c->state == CH_STARTING || c->state == CH_READY);
}

static unsigned count_current(const struct supplied *s)
{
	unsigned n = 0;

	list_each(l, &s->children)
	{
		n += is_current(list_entry(l, struct child, link));
	}
	return n;
}

bool supply_is_ready(const struct supplied *s)
{
	list_each(l, &s->children)
	{
		struct child *c = list_entry(l, struct child, link);
		if (is_current(c) && c->state == CH_READY)
			return true;
	}
	return s->planned && s->planned->conf.min_workers == 0 && s->target == 0;
}

/* --- starting --- */

static void on_retry(void *arg)
{
	supply(arg);
}

static void wait_to_retry(struct supplied *s)
{
	int64_t left = s->retry_at - clock_mono_ms();

	loop_timer_remove(&s->retry);
	s->retry = loop_timer_add(left > 0 ? left : 0, on_retry, s);
}

void supply(struct supplied *s)
{
	unsigned have;

	if (s->master->stopping || !s->planned)
		return;
	if (s->target == 0) {
		supply_retire_old(s); /* no newer one will do that */
		demand_watch(s);
		return;
	}
	/* Durable state is never owned by two processes, not for a moment either. */
	if (s->kind != KIND_MANY && !list_is_empty(&s->children))
		return;
	for (have = count_current(s); have < s->target; have++) {
		if (clock_mono_ms() < s->retry_at || !spawn(s)) {
			wait_to_retry(s);
			return;
		}
		if (s->kind != KIND_MANY)
			return; /* the first tells what it is */
	}
}

void supply_all(struct master *m)
{
	list_each(l, &m->services)
	{
		supply(list_entry(l, struct supplied, link));
	}
}

void supply_failed(struct supplied *s, bool was_ready, bool was_stable)
{
	const struct master_conf *conf = &s->master->plan->conf;
	int64_t now = clock_mono_ms(), most = conf->restart_most, pause;

	s->restarts++;
	if (now < s->retry_at)
		return; /* workers that die together are one failure */
	if (was_ready && most > READY_PAUSE_MOST)
		most = READY_PAUSE_MOST;
	if (was_stable)
		s->failures = 0;
	pause = conf->restart_first << s->failures;
	if (pause > most)
		pause = most;
	else if (s->failures < FAILURES_MAX)
		s->failures++;
	s->retry_at = now + pause;
}

void supply_retire_old(struct supplied *s)
{
	list_each(l, &s->children)
	{
		struct child *c = list_entry(l, struct child, link);
		if (c->generation != s->generation)
			child_event(c, EV_RETIRE);
	}
}

/* --- growing and shrinking --- */

static struct scoreboard_row *row_of(const struct child *c)
{
	return c->has_row ? scoreboard_row(c->service->master->sb, c->row) : NULL;
}

static uint64_t connections_of(const struct child *c)
{
	struct scoreboard_row *row = row_of(c);

	return row ? row->connections : 0;
}

static bool is_all_full(const struct supplied *s)
{
	list_each(l, &s->children)
	{
		struct child *c = list_entry(l, struct child, link);
		if (is_current(c) && (c->state == CH_STARTING ||
					     connections_of(c) < s->planned->conf.connections))
			return false;
	}
	return true;
}

/* One fewer would do, with half a worker's room to spare, and one place at least: who becomes full says so, who stays full
 * says nothing. The last one goes when nobody is there. */
static bool has_spare(const struct supplied *s)
{
	uint64_t used = 0, limit = s->planned->conf.connections;

	list_each(l, &s->children)
	{
		struct child *c = list_entry(l, struct child, link);
		used += is_current(c) ? connections_of(c) : 0;
	}
	return s->target > 1 ? used + (limit + 1) / 2 <= (s->target - 1) * limit : used == 0;
}

static void retire_least_used(struct supplied *s)
{
	struct child *least = NULL;

	list_each(l, &s->children)
	{
		struct child *c = list_entry(l, struct child, link);
		if (is_current(c) && (!least || connections_of(c) <= connections_of(least)))
			least = c;
	}
	s->target--;
	log_info("shrink service=%s workers=%u", s->name, s->target);
	if (least)
		child_event(least, EV_RETIRE);
	supply(s);
}

/* True while the service has more than the least. */
static bool shrink(struct supplied *s, int64_t now)
{
	if (!s->planned || s->target <= s->planned->conf.min_workers)
		return false;
	if (!has_spare(s))
		s->spare_since = 0;
	else if (!s->spare_since)
		s->spare_since = now;
	else if (now - s->spare_since >= s->master->plan->conf.spare_time) {
		retire_least_used(s);
		s->spare_since = now;
	}
	return true;
}

static void on_spare_timer(void *arg);

void supply_watch_spare(struct master *m)
{
	loop_timer_remove(&m->spare_timer);
	m->spare_timer = loop_timer_add(m->plan->conf.spare_time / 4 + 1, on_spare_timer, m);
}

static void on_spare_timer(void *arg)
{
	struct master *m = arg;
	bool more = false;

	list_each(l, &m->services)
	{
		more |= shrink(list_entry(l, struct supplied, link), clock_mono_ms());
	}
	if (more && !m->stopping)
		supply_watch_spare(m);
}

void supply_grow(struct supplied *s)
{
	if (!s->planned || s->master->stopping || !is_all_full(s))
		return;
	if (s->target >= s->planned->conf.max_workers) {
		log_warning("Service %s has all its %u workers, and all are full.", s->name,
			s->target);
		return;
	}
	s->target++;
	s->spare_since = 0;
	log_info("grow service=%s workers=%u", s->name, s->target);
	supply(s);
	supply_watch_spare(s->master);
}
