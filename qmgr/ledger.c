#include "qmgr/ledger_impl.h"

#include "qmgr/agents.h"
#include "qmgr/load.h"
#include "qmgr/spool.h"

#define CACHE_SIZE (16u * 1024 * 1024)

_Noreturn void ledger_die(struct ledger *l)
{
	if (kv_is_damaged(l->kv))
		kv_condemn(l->dir);
	log_fatal("The queue database failed; qmgr starts again.");
}

struct kv_batch *ledger_batch(struct ledger *l)
{
	if (!l->batch) {
		l->batch = kv_batch_new(l->kv);
		l->gathered++;
		fiber_wake_all(&l->work);
	}
	return l->batch;
}

/* --- committing --- */

static void add_positions(struct ledger *l, struct kv_batch *b)
{
	list_each (at, spool_segments(l->q->spool)) {
		struct segment *s = list_entry(at, struct segment, link);
		uint64_t position = segment_position(s);
		if (position == s->saved)
			continue;
		ledger_put_segment(b, s->id, position, s->own);
		s->saved = position;
	}
}

static void stamp_flushed(struct ledger *l)
{
	for (size_t i = 0; i < l->unflushed.n; i++)
		segment_stamp(l->unflushed.v[i].segment, &l->unflushed.v[i].stamp);
	array_reset(&l->unflushed);
}

/* Who looks at the row now finds what was made of it. */
static void row_changed(struct ledger *l, const struct entry *e)
{
	load_unblock(l->q->loader, e->id, e->at);
	if (!e->segment)
		return;
	e->segment->rows--;
	spool_kick(l->q->spool);
}

static void committed(struct ledger *l, const struct entry *e)
{
	if (e->kind == ENTRY_SAVED)
		message_saved(e->message);
	else if (e->kind == ENTRY_CHANGED)
		row_changed(l, e);
	else
		*array_add(&l->unflushed) = *e;
}

static void commit(struct ledger *l)
{
	struct kv_batch *b = ledger_batch(l);
	entries mine = l->waiting;
	uint64_t number = l->gathered;
	bool durable = l->durable;
	add_positions(l, b);
	l->batch = NULL;
	l->waiting = (entries)ARRAY_INIT;
	l->durable = false;
	if (kv_batch_commit(&b, durable) < 0)
		ledger_die(l);
	l->committed = number;
	for (size_t i = 0; i < mine.n; i++)
		committed(l, &mine.v[i]);
	array_fini(&mine);
	if (durable)
		stamp_flushed(l);
	fiber_wake_all(&l->done);
}

static void committer(void *arg)
{
	struct ledger *l = arg;
	for (;;) {
		while (!l->batch)
			fiber_wait(&l->work, IO_FOREVER);
		commit(l);
	}
}

/* Once a second: flush what was committed, stamp what that finished, sync the stamps, note
 * positions. */
static void housekeeper(void *arg)
{
	struct ledger *l = arg;
	for (;;) {
		io_sleep(KV_FLUSH_MS);
		if (!l->batch || l->committed + 1 >= l->gathered)
			agents_note(dispatch_agents(l->q->dispatch));
		if (l->unflushed.n) {
			entries before = l->unflushed;
			l->unflushed = (entries)ARRAY_INIT;
			if (kv_flush(l->kv) < 0)
				ledger_die(l);
			entries later = l->unflushed;
			l->unflushed = before;
			stamp_flushed(l);
			array_fini(&l->unflushed);
			l->unflushed = later;
		}
		spool_sync_stamps(l->q->spool);
		list_each (at, spool_segments(l->q->spool)) {
			struct segment *s = list_entry(at, struct segment, link);
			if (segment_position(s) != s->saved)
				ledger_batch(l); /* the commit adds them */
		}
		service_gauge(l->q->svc, GAUGE_ACTIVE, hash_count(l->q->active));
		service_gauge(l->q->svc, GAUGE_PARKED, l->rows);
	}
}

void ledger_commit(struct ledger *l)
{
	uint64_t mine = l->gathered;
	while (l->committed < mine)
		fiber_wait(&l->done, IO_FOREVER);
}

void ledger_sync(struct ledger *l)
{
	ledger_batch(l);
	l->durable = true;
	ledger_commit(l);
}

void ledger_settle(struct ledger *l)
{
	ledger_sync(l);
	spool_sync_stamps(l->q->spool);
	ledger_sync(l);
}

/* --- opening --- */

int ledger_open(struct qmgr *q, const char **err_r)
{
	struct ledger *l = q->ledger = mem_new(struct ledger);
	l->q = q;
	l->dir = pool_printf(q->svc->pool, "%s/db", q->svc->common->queue_dir);
	struct kv_conf conf = {.dir = l->dir, .tables = ledger_tables, .cache_size = CACHE_SIZE};
	int rc = kv_open(&conf, &l->kv, err_r);
	if (rc == KV_DAMAGED) {
		log_error("The queue database is damaged and set aside; it is made anew from the "
			  "segments reason=%s",
			log_q(*err_r));
		if (kv_set_aside(l->dir, err_r) == 0)
			rc = kv_open(&conf, &l->kv, err_r);
	}
	return rc == 0 ? 0 : -1;
}

void ledger_start(struct ledger *l)
{
	ledger_sweep_children(l);
	fiber_start("committer", committer, l);
	fiber_start("housekeeper", housekeeper, l);
}
