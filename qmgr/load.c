#include "qmgr/load.h"

#include "base/num.h"
#include "qmgr/ledger.h"
#include "qmgr/queue_time.h"

#define PAGE_ROWS 200
#define RETRY_MS  1000 /* what is due and found no room */
#define LONGEST_S 60   /* the wall clock may be set forward */
#define UNREAD_S  10   /* what could not be read is tried again then */

struct loader {
	struct qmgr *q;
	int64_t cursor_s;   /* rows due before were looked at */
	int64_t next_due_s; /* the earliest not looked at; INT64_MAX none known */
	bool kicked;
	bool far; /* what was put off by a clock that was ahead was not looked for yet */
	struct fiber_cond work;
	struct hash *blocked; /* places; the value says why: set_block */
	struct fiber_cond unblocked;
};

/* --- who may load what --- */

/* Why a place is blocked: its message is being loaded (the loader), or ends (the queue). */
static void set_block(struct loader *l, uint64_t segment, uint64_t at, void *why)
{
	struct str key = STR_INIT;
	queue_place_put(&key, segment, at);
	if (why)
		hash_set(l->blocked, str_span(&key), why);
	else
		hash_remove(l->blocked, str_span(&key));
	str_fini(&key);
}

static const void *block_of(struct loader *l, uint64_t segment, uint64_t at)
{
	struct str key = STR_INIT;
	queue_place_put(&key, segment, at);
	const void *why = hash_find(l->blocked, str_span(&key));
	str_fini(&key);
	return why;
}

void load_block(struct loader *l, uint64_t segment, uint64_t at)
{
	set_block(l, segment, at, l->q);
}

void load_unblock(struct loader *l, uint64_t segment, uint64_t at)
{
	set_block(l, segment, at, NULL);
	fiber_wake_all(&l->unblocked);
}

bool load_is_blocked(struct loader *l, uint64_t segment, uint64_t at)
{
	return block_of(l, segment, at) != NULL;
}

/* --- one message --- */

/* True when its row is changed. What is wrong with a whole segment is said once, not for each of its messages. */
static bool not_now(struct loader *l, const struct segment *s, uint64_t at, const struct queue_row *row)
{
	if (!s->trouble)
		log_error("a message can't be read from its segment now trace=%s", row->trace);
	if (!row->held)
		ledger_put_off(l->q->ledger, s->id, at, row, queue_time_s(l->q) + UNREAD_S);
	return !row->held;
}

/* *changed_r: it can't be had, and its row is changed: the ledger unblocks the place. */
static struct message *read_message(struct loader *l, uint64_t segment, uint64_t at, bool *changed_r)
{
	struct qmgr *q = l->q;
	struct segment_record rec;
	struct queue_row row;
	struct message *m = NULL;
	struct pool *pool = message_pool(q);
	struct str envelope = STR_IN(pool);
	struct segment *s = spool_find(q->spool, segment);
	if (ledger_row(q->ledger, segment, at, pool, &row) == 1) {
		enum segment_found found = s ? spool_read(s, at, &envelope, &rec) : SEGMENT_TAIL;
		if (found == SEGMENT_FOUND)
			m = message_wake(q, s, &rec, &row, pool);
		if (found == SEGMENT_ERROR)
			*changed_r = not_now(l, s, at, &row);
		if (found == SEGMENT_TAIL) {
			ledger_drop_lost(q->ledger, segment, at, &row, s);
			*changed_r = true;
		}
	}
	if (!m)
		message_pool_free(q, &pool);
	return m;
}

struct message *load_message(struct loader *l, uint64_t segment, uint64_t at)
{
	struct message *m;
	bool changed = false;
	while (!(m = message_find(l->q, segment, at)) && block_of(l, segment, at) == l)
		fiber_wait(&l->unblocked, IO_FOREVER);
	if (m || load_is_blocked(l, segment, at))
		return m;
	set_block(l, segment, at, l);
	m = read_message(l, segment, at, &changed);
	if (!changed)
		load_unblock(l, segment, at);
	return m;
}

/* --- what comes due --- */

void load_kick(struct loader *l, int64_t due_s)
{
	if (due_s < l->cursor_s)
		l->cursor_s = due_s;
	if (due_s >= l->next_due_s)
		return;
	l->next_due_s = due_s;
	l->kicked = true;
	fiber_wake_all(&l->work);
}

static bool is_due(const struct loader *l, int64_t due_s)
{
	return due_s <= queue_time_s(l->q) || due_s > queue_time_latest_s(l->q);
}

static void load_due_row(struct loader *l, uint64_t segment, uint64_t at)
{
	if (message_find(l->q, segment, at) || load_is_blocked(l, segment, at))
		return;
	struct message *m = load_message(l, segment, at);
	if (!m || m->phase != PHASE_PARKING || m->saving)
		return; /* gone, or somebody else was quicker */
	if (m->held || !is_due(l, m->next_s))
		message_put_back(m);
	else
		message_start(m);
}

/* Takes the rows of one page; true when there may be more. */
static bool load_page(struct loader *l, struct str *from, struct pool *pool)
{
	uint64_t segment = 0, at = 0;
	int64_t due_s = 0;
	struct kv_row *v;
	size_t n = ledger_due(l->q->ledger, str_span(from), PAGE_ROWS, pool, &v);
	for (size_t i = 0; i < n; i++) {
		if (!queue_due_parse(v[i].key, &due_s, &segment, &at))
			continue;
		if (!is_due(l, due_s) || !qmgr_room_for_rows(l->q)) {
			load_kick(l, due_s);
			return false;
		}
		load_due_row(l, segment, at);
	}
	str_reset(from);
	queue_due_put(from, due_s, segment, at);
	str_putc(from, '\0'); /* just behind that key */
	return n == PAGE_ROWS;
}

static void load_from(struct loader *l, int64_t due_s)
{
	struct pool *pool = pool_new("due");
	struct str from = STR_INIT;
	queue_due_put(&from, due_s, 0, 0);
	while (load_page(l, &from, pool)) {
		pool_reset(pool);
		fiber_breathe();
	}
	str_fini(&from);
	pool_free(&pool);
}

/* After a start: rows whose time no pause explains. */
static void load_far(struct loader *l)
{
	l->far = false;
	load_from(l, queue_time_latest_s(l->q) + 1);
	l->far = !qmgr_room_for_rows(l->q);
}

/* From the cursor on what is due and finds room; notes when the next one is due. */
static void load_due(struct loader *l)
{
	int64_t from_s = l->cursor_s;
	l->next_due_s = INT64_MAX;
	l->cursor_s = queue_time_s(l->q);
	load_from(l, from_s);
	if (l->far)
		load_far(l);
}

static int64_t until_due(const struct loader *l)
{
	if (l->next_due_s == INT64_MAX)
		return IO_FOREVER;
	int64_t wait_s = l->next_due_s - queue_time_s(l->q);
	return io_deadline(wait_s < 1 ? RETRY_MS : num_min((uint64_t)wait_s, LONGEST_S) * 1000);
}

static void run(void *arg)
{
	struct loader *l = arg;
	for (;;) {
		l->kicked = false;
		load_due(l);
		if (l->kicked && l->next_due_s <= queue_time_s(l->q) && qmgr_room_for_rows(l->q))
			continue;
		fiber_wait(&l->work, until_due(l));
	}
}

struct loader *load_new(struct qmgr *q)
{
	struct loader *l = mem_new(struct loader);
	l->q = q;
	l->next_due_s = INT64_MAX;
	l->far = true;
	l->blocked = hash_new();
	return l;
}

void load_start(struct loader *l)
{
	fiber_start("loader", run, l);
}
