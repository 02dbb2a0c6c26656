/*
 * What a process keeps open though nobody uses it now: accounts, and in them the rows of mailboxes, because most sessions
 * come to where one has just been. Bounded in number, in memory and in time; the longest unused goes first.
 */
#include "base/clock.h"
#include "io/fiber.h"
#include "store/account.h"

#define SWEEP_MS   (60 * 1000)
#define GROWN_ROWS 1024

static void on_sweep(void *arg);

static void watch_time(struct store *s)
{
	if (!s->idle_timer)
		s->idle_timer = loop_timer_add(SWEEP_MS, on_sweep, s);
}

/* --- rows --- */

void idle_index_take(struct index *x)
{
	if (list_is_empty(&x->idle_link))
		return;
	struct store *s = x->account->store;
	list_remove(&x->idle_link);
	s->idle_rows -= x->idle_rows;
	s->nidle_indexes--;
}

bool idle_index_has_grown(const struct index *x)
{
	return !list_is_empty(&x->idle_link) && x->touched > x->idle_rows + GROWN_ROWS;
}

static void drop_index(struct index *x)
{
	idle_index_take(x);
	hash_remove(x->account->indexes, span_make(&x->mailbox, sizeof(x->mailbox)));
	index_fini(x);
	mem_free(&x);
}

static struct index *oldest_index(struct store *s)
{
	return list_entry(s->idle_indexes.next, struct index, idle_link);
}

/* One that has changed more than its checkpoint is opened with less memory the next time. */
static bool is_worn(const struct index *x)
{
	return x->touched + x->gone.n > 2 * index_due((uint32_t)x->n);
}

void idle_index_put(struct account *a, struct index *x)
{
	struct store *s = a->store;
	idle_index_take(x);
	x->account = a;
	if (is_worn(x) || index_is_bad(x) ||
		!tree_find(&a->shown, x->mailbox)) {
		drop_index(x);
		return;
	}
	x->idle_rows = x->touched;
	x->idle_since = clock_mono_ms();
	s->idle_rows += x->idle_rows;
	s->nidle_indexes++;
	list_add_tail(&s->idle_indexes, &x->idle_link);
	while (s->idle_rows > IDLE_ROWS_MAX || s->nidle_indexes > IDLE_INDEXES_MAX)
		drop_index(oldest_index(s));
	watch_time(s);
}

/* --- accounts --- */

static struct account *oldest_account(struct store *s)
{
	return list_entry(s->idle.next, struct account, idle_link);
}

void idle_account_take(struct account *a)
{
	if (list_is_empty(&a->idle_link))
		return;
	list_remove(&a->idle_link);
	a->store->nidle--;
}

void idle_account_put(struct account *a)
{
	struct store *s = a->store;
	a->idle_since = clock_mono_ms();
	list_add_tail(&s->idle, &a->idle_link);
	s->nidle++;
	watch_time(s);
	if (a->stale)
		account_evict(a);
	else if (s->nidle > IDLE_ACCOUNTS_MAX)
		account_evict(oldest_account(s));
}

/* --- time --- */

/* Evicting may wait, and the list change meanwhile. */
static void sweep(void *arg)
{
	struct store *s = arg;
	int64_t before = clock_mono_ms() - IDLE_MS;
	while (!list_is_empty(&s->idle_indexes) && oldest_index(s)->idle_since <= before)
		drop_index(oldest_index(s));
	while (!list_is_empty(&s->idle) && oldest_account(s)->idle_since <= before)
		account_evict(oldest_account(s));
	if (!list_is_empty(&s->idle_indexes) || !list_is_empty(&s->idle))
		watch_time(s);
	fiber_group_leave(&s->busy);
}

static void on_sweep(void *arg)
{
	struct store *s = arg;
	loop_timer_remove(&s->idle_timer);
	fiber_group_enter(&s->busy);
	fiber_start("idle accounts", sweep, s);
}
