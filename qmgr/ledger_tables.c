#include "base/clock.h"
#include "base/num.h"
#include "base/wire.h"
#include "qmgr/ledger_impl.h"
#include "qmgr/load.h"
#include "qmgr/queue_time.h"
#include "qmgr/spool.h"

#define PAGE_ROWS  2000
#define CHILD_DAYS 30

const char *const ledger_tables[] = {
	[TABLE_ROWS] = "rows",	       /* place -> row */
	[TABLE_DUE] = "due",	       /* due time, place -> "" */
	[TABLE_TRACES] = "traces",     /* trace id, place -> "" */
	[TABLE_SEGMENTS] = "segments", /* segment -> u64 position, u8 own */
	[TABLE_CHILDREN] = "children", /* parent's trace, step -> u64 wall seconds */
	NULL,
};

/* --- keys --- */

static struct span place_key(struct str *buf, uint64_t segment, uint64_t at)
{
	str_reset(buf);
	queue_place_put(buf, segment, at);
	return str_span(buf);
}

static struct span due_key(struct str *buf, int64_t due_s, uint64_t segment, uint64_t at)
{
	str_reset(buf);
	queue_due_put(buf, due_s, segment, at);
	return str_span(buf);
}

static struct span trace_key(struct str *buf, const char *trace, uint64_t segment, uint64_t at)
{
	str_reset(buf);
	str_add(buf, trace, TRACE_ID_LEN);
	queue_place_put(buf, segment, at);
	return str_span(buf);
}

static struct span segment_key(struct str *buf, uint64_t id)
{
	str_reset(buf);
	queue_place_put(buf, id, 0);
	str_truncate(buf, 8);
	return str_span(buf);
}

static struct span child_key(struct str *buf, const char *parent, const char *step)
{
	str_reset(buf);
	str_add(buf, parent, TRACE_ID_LEN);
	str_puts(buf, step);
	str_truncate(buf, num_min(buf->len, KV_KEY_MAX));
	return str_span(buf);
}

/* --- rows --- */

static void put_row(struct ledger *l, uint64_t segment, uint64_t at, int64_t was_due_s,
	const struct queue_row *row)
{
	struct kv_batch *b = ledger_batch(l);
	struct str key = STR_INIT, value = STR_INIT;
	queue_row_put(&value, row);
	kv_batch_put(b, TABLE_ROWS, place_key(&key, segment, at), str_span(&value));
	if (was_due_s > 0 && was_due_s != row->next_s)
		kv_batch_delete(b, TABLE_DUE, due_key(&key, was_due_s, segment, at));
	if (row->next_s > 0) {
		kv_batch_put(b, TABLE_DUE, due_key(&key, row->next_s, segment, at), SPAN_LIT(""));
		if (!row->done)
			load_kick(l->q->loader, row->next_s);
	}
	if (was_due_s == NO_ROW) {
		kv_batch_put(
			b, TABLE_TRACES, trace_key(&key, row->trace, segment, at), SPAN_LIT(""));
		l->rows++;
	}
	str_fini(&key);
	str_fini(&value);
}

static void delete_row(
	struct ledger *l, uint64_t segment, uint64_t at, int64_t due_s, const char *trace)
{
	struct kv_batch *b = ledger_batch(l);
	struct str key = STR_INIT;
	kv_batch_delete(b, TABLE_ROWS, place_key(&key, segment, at));
	if (due_s > 0)
		kv_batch_delete(b, TABLE_DUE, due_key(&key, due_s, segment, at));
	kv_batch_delete(b, TABLE_TRACES, trace_key(&key, trace, segment, at));
	str_fini(&key);
}

void ledger_save(struct ledger *l, struct message *m)
{
	struct queue_row row;
	message_row(m, &row);
	put_row(l, m->segment->id, m->at, m->row_due, &row);
	if (m->row_due == NO_ROW)
		m->segment->rows++;
	m->row_due = row.next_s;
	m->saving++;
	list_remove(&m->in_segment);
	*array_add(&l->waiting) = (struct entry){.kind = ENTRY_SAVED, .message = m};
}

/* Due now: after a crash it is loaded and ends at once. */
static void put_done_row(struct ledger *l, const struct message *m, int64_t due_s)
{
	struct queue_row row = {.sender = "", .next_s = due_s, .parent = m->parent, .done = true};
	memcpy(row.trace, m->env.trace.s, sizeof(row.trace));
	put_row(l, m->segment->id, m->at, m->row_due, &row);
	l->rows--;
}

/* Without a row the stamp alone is the outcome. Does not wait: the message is freed next. */
void ledger_finish(struct ledger *l, struct message *m)
{
	struct stamp stamp = {.at = m->at, .row = m->row_due != NO_ROW, .parent = m->parent};
	memcpy(stamp.trace, m->env.trace.s, sizeof(stamp.trace));
	if (!stamp.row) {
		segment_stamp(m->segment, &stamp);
		return;
	}
	stamp.due_s = queue_time_s(l->q);
	load_block(l->q->loader, m->segment->id, m->at);
	put_done_row(l, m, stamp.due_s);
	*array_add(&l->waiting) = (struct entry){.kind = ENTRY_FINISHED, .segment = m->segment, .stamp = stamp};
}

void ledger_drop_lost(
	struct ledger *l, uint64_t segment, uint64_t at, const struct queue_row *row, struct segment *s)
{
	delete_row(l, segment, at, row->next_s, row->trace);
	l->rows--;
	*array_add(&l->waiting) =
		(struct entry){.kind = ENTRY_CHANGED, .segment = s, .id = segment, .at = at};
	if (!row->done)
		log_error("the message of a queue row is gone; the row is closed trace=%s", row->trace);
}

void ledger_put_off(struct ledger *l, uint64_t segment, uint64_t at, const struct queue_row *row, int64_t due_s)
{
	struct queue_row later = *row;
	later.next_s = due_s;
	put_row(l, segment, at, row->next_s, &later);
	*array_add(&l->waiting) = (struct entry){.kind = ENTRY_CHANGED, .id = segment, .at = at};
}

/* --- segments and children --- */

void ledger_put_segment(struct kv_batch *b, uint64_t id, uint64_t position, bool own)
{
	struct str key = STR_INIT, value = STR_INIT;
	put_u64(&value, position);
	put_u8(&value, own);
	kv_batch_put(b, TABLE_SEGMENTS, segment_key(&key, id), str_span(&value));
	str_fini(&key);
	str_fini(&value);
}

bool ledger_segment(struct ledger *l, uint64_t id, uint64_t *position_r, bool *own_r)
{
	struct pool *pool = pool_new("segment");
	struct str key = STR_INIT;
	struct span value;
	int rc = kv_get(l->kv, TABLE_SEGMENTS, segment_key(&key, id), pool, &value);
	if (rc < 0)
		ledger_die(l);
	if (rc == 1) {
		struct reader r = reader_of(value);
		*position_r = get_u64(&r);
		*own_r = get_u8(&r);
	}
	str_fini(&key);
	pool_free(&pool);
	return rc == 1;
}

int ledger_add_own_segment(struct ledger *l, uint64_t id)
{
	struct kv_batch *b = kv_batch_new(l->kv);
	ledger_put_segment(b, id, SEGMENT_START, true);
	return kv_batch_commit(&b, true);
}

void ledger_forget_segment(struct ledger *l, uint64_t id)
{
	struct str key = STR_INIT;
	kv_batch_delete(ledger_batch(l), TABLE_SEGMENTS, segment_key(&key, id));
	str_fini(&key);
}

static bool is_there(struct ledger *l, unsigned table, struct span key)
{
	struct pool *pool = pool_new("key");
	struct span value;
	int rc = kv_get(l->kv, table, key, pool, &value);
	if (rc < 0)
		ledger_die(l);
	pool_free(&pool);
	return rc == 1;
}

bool ledger_has_child(struct ledger *l, const char *parent, const char *step)
{
	struct str key = STR_INIT;
	bool there = is_there(l, TABLE_CHILDREN, child_key(&key, parent, step));
	str_fini(&key);
	return there;
}

void ledger_add_child(struct ledger *l, const char *parent, const char *step)
{
	struct str key = STR_INIT, value = STR_INIT;
	put_u64(&value, (uint64_t)clock_wall_s());
	kv_batch_put(ledger_batch(l), TABLE_CHILDREN, child_key(&key, parent, step), str_span(&value));
	str_fini(&key);
	str_fini(&value);
}

static void delete_children(struct ledger *l, const char *parent)
{
	struct pool *pool = pool_new("children");
	struct kv_range range = {.table = TABLE_CHILDREN,
		.prefix = span_make(parent, TRACE_ID_LEN),
		.limit = PAGE_ROWS,
		.keys_only = true};
	struct kv_row *v;
	size_t n;
	if (kv_scan(l->kv, &range, pool, &v, &n) < 0)
		ledger_die(l);
	for (size_t i = 0; i < n; i++)
		kv_batch_delete(ledger_batch(l), TABLE_CHILDREN, v[i].key);
	pool_free(&pool);
}

static void forget_row(struct ledger *l, struct segment *s, const struct stamp *stamp)
{
	delete_row(l, s->id, stamp->at, stamp->due_s, stamp->trace);
	*array_add(&l->waiting) =
		(struct entry){.kind = ENTRY_CHANGED, .segment = s, .id = s->id, .at = stamp->at};
}

void ledger_forget(struct ledger *l, struct segment *s, const stamp_list *stamps)
{
	bool committed = false;
	for (size_t i = 0; i < stamps->n; i++) {
		const struct stamp *stamp = &stamps->v[i];
		if (stamp->row)
			forget_row(l, s, stamp);
		if (!stamp->parent)
			continue;
		if (!committed)
			ledger_commit(l); /* what is still to be entered no scan would find */
		committed = true;
		delete_children(l, stamp->trace);
	}
}

/* --- reading --- */

bool ledger_has_row(struct ledger *l, uint64_t segment, uint64_t at)
{
	struct str key = STR_INIT;
	bool there = is_there(l, TABLE_ROWS, place_key(&key, segment, at));
	str_fini(&key);
	return there;
}

int ledger_row(
	struct ledger *l, uint64_t segment, uint64_t at, struct pool *pool, struct queue_row *row_r)
{
	struct str key = STR_INIT;
	struct span value;
	int rc = kv_get(l->kv, TABLE_ROWS, place_key(&key, segment, at), pool, &value);
	str_fini(&key);
	if (rc < 0)
		ledger_die(l);
	if (rc == 1 && queue_row_parse(value, pool, row_r) < 0) {
		kv_condemn(l->dir);
		log_fatal("A row of the queue database is damaged; it is made anew from the "
			  "segments.");
	}
	return rc;
}

size_t ledger_places(struct ledger *l, const char *from, bool after, size_t limit,
	struct pool *pool, struct ledger_place **v_r)
{
	/* `after` a trace id means after all its places: 0xff sorts behind any place. */
	char *start = pool_printf(pool, "%s%s", from, after ? "\xff" : "");
	struct kv_range range = {
		.table = TABLE_TRACES, .from = span_of(start), .limit = limit, .keys_only = true};
	struct kv_row *rows;
	size_t n, found = 0;
	if (kv_scan(l->kv, &range, pool, &rows, &n) < 0)
		ledger_die(l);
	*v_r = pool_array(pool, n, sizeof(**v_r));
	for (size_t i = 0; i < n; i++) {
		struct ledger_place *p = &(*v_r)[found];
		if (rows[i].key.n != TRACE_ID_LEN + QUEUE_PLACE_LEN)
			continue;
		memcpy(p->trace, rows[i].key.p, TRACE_ID_LEN);
		queue_place_parse(span_make(rows[i].key.p + TRACE_ID_LEN, QUEUE_PLACE_LEN),
			&p->segment, &p->at);
		found++;
	}
	return found;
}

size_t ledger_due(
	struct ledger *l, struct span from, size_t limit, struct pool *pool, struct kv_row **rows_r)
{
	struct kv_range range = {
		.table = TABLE_DUE, .from = from, .limit = limit, .keys_only = true};
	size_t n;
	if (kv_scan(l->kv, &range, pool, rows_r, &n) < 0)
		ledger_die(l);
	return n;
}

uint64_t ledger_rows(const struct ledger *l)
{
	return l->rows;
}

/* --- at the start --- */

static void count_page(struct ledger *l, const struct kv_row *v, size_t n, struct pool *pool)
{
	for (size_t i = 0; i < n; i++) {
		uint64_t id, at;
		struct queue_row row;
		if (!queue_place_parse(v[i].key, &id, &at))
			continue;
		struct segment *s = spool_find(l->q->spool, id);
		l->rows++;
		if (s)
			s->rows++;
		else if (ledger_row(l, id, at, pool, &row) == 1)
			ledger_drop_lost(l, id, at, &row, NULL);
	}
}

void ledger_count_rows(struct ledger *l)
{
	struct pool *pool = pool_new("rows");
	struct str from = STR_INIT;
	struct kv_row *v;
	size_t n;
	do {
		struct kv_range range = {.table = TABLE_ROWS,
			.from = str_span(&from),
			.after = true,
			.limit = PAGE_ROWS,
			.keys_only = true};
		if (kv_scan(l->kv, &range, pool, &v, &n) < 0)
			ledger_die(l);
		count_page(l, v, n, pool);
		str_reset(&from);
		if (n)
			str_add_span(&from, v[n - 1].key);
		pool_reset(pool);
		service_progress(l->q->svc);
	} while (n == PAGE_ROWS);
	str_fini(&from);
	pool_free(&pool);
}

void ledger_sweep_children(struct ledger *l)
{
	struct pool *pool = pool_new("children");
	struct kv_range range = {.table = TABLE_CHILDREN, .limit = PAGE_ROWS};
	struct kv_row *v;
	size_t n;
	if (kv_scan(l->kv, &range, pool, &v, &n) < 0)
		ledger_die(l);
	for (size_t i = 0; i < n; i++) {
		struct reader r = reader_of(v[i].value);
		if ((int64_t)get_u64(&r) < clock_wall_s() - CHILD_DAYS * 86400)
			kv_batch_delete(ledger_batch(l), TABLE_CHILDREN, v[i].key);
	}
	pool_free(&pool);
}
