/* What a session does to messages of its mailbox: flags, expunge, copy, move. Each is one record
 * (rule 14). */
#include "base/clock.h"
#include "store/view.h"

/* Slot of each UID in turn; they mostly follow each other. */
struct finder {
	const struct index *x;
	size_t next;
};

/* 1 and the slot; 0 the UID is not (or no longer) there. */
static int find_slot(struct finder *f, uint32_t uid, uint32_t *slot_r)
{
	size_t slot = f->next;
	if (slot >= f->x->n || index_row(f->x, slot)->uid != uid)
		slot = index_slot(f->x, uid);
	f->next = slot;
	if (slot >= f->x->n || index_row(f->x, slot)->uid != uid ||
		(f->x->gone.n && index_is_gone(f->x, slot)))
		return 0;
	f->next = slot + 1;
	*slot_r = (uint32_t)slot;
	return 1;
}

static enum store_status begin(struct view *view, const struct mailbox **m_r)
{
	struct account *a = view->account;
	enum store_status status = account_begin_rows(a, view->mailbox, clock_mono_ms() + LOCK_MS);
	if (status != STORE_OK)
		return status;
	*m_r = tree_find(&a->live, view->mailbox);
	if (*m_r && !index_is_bad(view->index))
		return STORE_OK;
	account_end(a);
	return *m_r ? STORE_DAMAGED : STORE_NOT_FOUND;
}

/* --- flags --- */

struct storing {
	struct view *view;
	const struct mailbox *m;
	struct op_flags op;
	struct str ranges;
	uint32_t last;	   /* for op_put_range */
	uint32_t from, to; /* slots of the open range; from > to: none */
	ARRAY(uint32_t) failed;
	uint64_t unchanged_since;
};

static uint32_t new_flags(const struct op_flags *op, uint32_t old)
{
	return op->op == FLAGS_ADD	? old | op->flags
	       : op->op == FLAGS_REMOVE ? old & ~op->flags
					: op->flags;
}

static uint64_t new_keywords(const struct op_flags *op, uint64_t old)
{
	return op->op == FLAGS_ADD	? old | op->keywords
	       : op->op == FLAGS_REMOVE ? old & ~op->keywords
					: op->keywords;
}

static void close_range(struct storing *s)
{
	if (s->from > s->to)
		return;
	const struct index *x = s->view->index;
	op_put_range(&s->ranges, &s->last, index_row(x, s->from)->uid, index_row(x, s->to)->uid);
}

static void store_slot(struct storing *s, uint32_t slot)
{
	const struct msg_row *row = index_row(s->view->index, slot);
	if (row->modseq > s->unchanged_since) {
		*array_add(&s->failed) = row->uid;
		return;
	}
	uint32_t flags = new_flags(&s->op, row->flags);
	if (flags == row->flags && new_keywords(&s->op, row->keywords) == row->keywords)
		return; /* no change, no new MODSEQ (RFC 7162 3.1.3) */
	s->op.delta.unseen += !(flags & MSG_SEEN) - !(row->flags & MSG_SEEN);
	s->op.delta.deleted += !!(flags & MSG_DELETED) - !!(row->flags & MSG_DELETED);
	if (s->from > s->to || slot != s->to + 1) {
		close_range(s);
		s->from = slot;
	}
	s->to = slot;
}

/* Under the lock: the record's operations, or none when nothing changes. */
static enum store_status put_flags(struct storing *s, const uint32_t *uids, size_t n,
	const struct flag_change *change, struct str *bytes)
{
	struct keyword_set set = {.m = s->m};
	enum store_status status = STORE_OK;
	uint32_t slot;
	if (change->op == FLAGS_REMOVE)
		s->op.keywords = change_find_keywords(s->m, change->keywords, change->nkeywords);
	else
		status = change_put_keywords(
			bytes, &set, change->keywords, change->nkeywords, &s->op.keywords);
	if (status != STORE_OK)
		return status;
	struct finder f = {.x = s->view->index};
	for (size_t i = 0; i < n; i++)
		if (find_slot(&f, uids[i], &slot))
			store_slot(s, slot);
		else
			*array_add(&s->failed) = uids[i];
	close_range(s);
	s->op.ranges = str_span(&s->ranges);
	if (s->ranges.len)
		op_put_flags(bytes, &s->op);
	return index_is_bad(s->view->index) ? STORE_DAMAGED : STORE_OK;
}

/* Lazy unless something firm is before it: then it is shown, and so synced, with that. */
static enum store_status finish_flags(
	struct storing *s, struct str *bytes, enum store_status status)
{
	struct account *a = s->view->account;
	uint64_t end = 0;
	bool write = status == STORE_OK && s->ranges.len;
	if (write)
		status = account_write(a, bytes, RECORD_LAZY, s->view->serial, &end);
	account_end(a);
	if (!write || status != STORE_OK)
		return status;
	if (end > a->shown.at)
		status = account_commit(a, end);
	else
		account_flags_written(a);
	account_upkeep(a, s->view->mailbox);
	return status;
}

enum store_status view_store(struct view *view, const uint32_t *uids, size_t n,
	const struct flag_change *change, struct pool *pool, uint32_t **failed_r, size_t *nfailed_r)
{
	struct storing s = {
		.view = view,
		.from = 1,
		.failed = ARRAY_IN(pool),
		.unchanged_since = change->unchanged_since,
	};
	struct str bytes = STR_INIT;
	enum store_status status = view->read_only ? STORE_DENIED : begin(view, &s.m);
	if (status != STORE_OK)
		return status;
	s.op = (struct op_flags){
		.mailbox = view->mailbox,
		.prev = s.m->last,
		.op = (uint8_t)change->op,
		.flags = change->flags & MSG_SYSTEM_FLAGS,
	};
	account_start_record(&bytes, NULL);
	status = put_flags(&s, uids, n, change, &bytes);
	status = finish_flags(&s, &bytes, status);
	str_fini(&bytes);
	str_fini(&s.ranges);
	*failed_r = s.failed.v;
	*nfailed_r = s.failed.n;
	return status;
}

/* --- expunge --- */

static void collect(
	const struct view *view, const uint32_t *uids, size_t n, uint32_t need, struct slots *slots)
{
	struct finder f = {.x = view->index};
	uint32_t slot;
	for (size_t i = 0; i < n; i++)
		if (find_slot(&f, uids[i], &slot) &&
			(index_row(view->index, slot)->flags & need) == need)
			*array_add(&slots->v) = slot;
}

/* Nothing to do: no record, only the lock given back. */
static enum store_status end_unchanged(struct account *a)
{
	account_end(a);
	return STORE_OK;
}

enum store_status view_expunge(struct view *view, const uint32_t *uids, size_t n, bool only_deleted)
{
	struct slots slots = {ARRAY_INIT};
	struct str bytes = STR_INIT;
	const struct mailbox *m;
	enum store_status status = view->read_only ? STORE_DENIED : begin(view, &m);
	if (status != STORE_OK)
		return status;
	collect(view, uids, n, only_deleted ? MSG_DELETED : 0, &slots);
	if (slots.v.n) {
		account_start_record(&bytes, NULL);
		change_put_expunge(&bytes, view->index, m, &slots);
		status = index_is_bad(view->index) ? STORE_DAMAGED : STORE_OK;
		status = change_finish(view->account, &bytes, status);
		account_upkeep(view->account, view->mailbox);
	} else {
		status = end_unchanged(view->account);
	}
	array_fini(&slots.v);
	return status;
}

/* --- copy and move --- */

static uint64_t octets(const struct index *x, const struct slots *slots)
{
	uint64_t sum = 0;
	for (size_t i = 0; i < slots->v.n; i++)
		sum += index_row(x, slots->v.v[i])->size;
	return sum;
}

static struct uid_pair *pairs_of(
	const struct index *x, const struct slots *slots, uint32_t first_uid, struct pool *pool)
{
	struct uid_pair *v = pool_array(pool, slots->v.n, sizeof(*v));
	for (size_t i = 0; i < slots->v.n; i++)
		v[i] = (struct uid_pair){index_row(x, slots->v.v[i])->uid, first_uid + (uint32_t)i};
	return v;
}

static enum store_status put_copy(struct view *view, const struct mailbox *m,
	const struct mailbox *to, bool move, const struct slots *slots, struct str *bytes)
{
	struct copy_target target = copy_target_of(to);
	if (!move && change_is_over_quota(view->account, octets(view->index, slots), slots->v.n))
		return STORE_OVER_QUOTA;
	enum store_status status = change_put_copy(bytes, view->index, m, slots, &target);
	if (status == STORE_OK && move)
		change_put_expunge(bytes, view->index, m, slots);
	return index_is_bad(view->index) ? STORE_DAMAGED : status;
}

enum store_status view_copy(struct view *view, const uint32_t *uids, size_t n, uint32_t to_mailbox,
	unsigned flags, struct pool *pool, struct uid_pair **pairs_r, size_t *n_r,
	uint32_t *uidvalidity_r)
{
	struct account *a = view->account;
	bool move = flags & COPY_MOVE;
	struct slots slots = {ARRAY_INIT};
	struct str bytes = STR_INIT;
	const struct mailbox *m;
	*n_r = 0;
	enum store_status status = view->read_only && move ? STORE_DENIED : begin(view, &m);
	if (status != STORE_OK)
		return status;
	const struct mailbox *to = tree_find(&a->live, to_mailbox);
	if (!to || to->noselect) {
		account_end(a);
		return STORE_NOT_FOUND;
	}
	collect(view, uids, n, 0, &slots);
	*uidvalidity_r = to->uidvalidity;
	if (slots.v.n && (slots.v.n == n || !(flags & COPY_ALL))) {
		*pairs_r = pairs_of(view->index, &slots, to->uidnext, pool);
		account_start_record(&bytes, NULL);
		status = put_copy(view, m, to, move, &slots, &bytes);
		*n_r = status == STORE_OK ? slots.v.n : 0;
		status = change_finish(a, &bytes, status);
		account_upkeep(a, to_mailbox);
	} else {
		status = end_unchanged(a);
	}
	array_fini(&slots.v);
	return status;
}
