/* Opening a mailbox and looking at it. */
#include "store/view.h"

#include <stdlib.h>

#include "base/clock.h"
#include "base/log.h"

#define CLAIM_MS 2000

/* Holes are sorted, so the number of shown slots below holes[i] is holes[i] - i, which never falls:
 * halve on it. */
size_t view_slot(const struct view *v, size_t place)
{
	size_t low = 0, high = v->holes.n;
	while (low < high) {
		size_t mid = low + (high - low) / 2;
		if (v->holes.v[mid] - mid <= place)
			low = mid + 1;
		else
			high = mid;
	}
	return place + low;
}

size_t view_holes_before(const struct view *v, size_t slot)
{
	size_t low = 0, high = v->holes.n;
	while (low < high) {
		size_t mid = low + (high - low) / 2;
		if (v->holes.v[mid] < slot)
			low = mid + 1;
		else
			high = mid;
	}
	return low;
}

uint32_t view_count(const struct view *view)
{
	return (uint32_t)(view->n - view->holes.n);
}

const struct msg_row *view_row(const struct view *view, uint32_t seq)
{
	return index_row(view->index, view_slot(view, seq - 1));
}

uint32_t view_seq_of(const struct view *view, uint32_t uid)
{
	size_t slot = index_slot(view->index, uid);
	if (slot > view->n)
		slot = view->n;
	return (uint32_t)(slot - view_holes_before(view, slot)) + 1;
}

static bool is_recent(const struct view *view, uint32_t uid)
{
	size_t low = 0, high = view->recent.n;
	while (low < high) {
		size_t mid = low + (high - low) / 2;
		if (view->recent.v[mid].to < uid)
			low = mid + 1;
		else
			high = mid;
	}
	return low < view->recent.n && view->recent.v[low].from <= uid;
}

uint32_t view_flags(const struct view *view, uint32_t seq)
{
	const struct msg_row *row = view_row(view, seq);
	return (row->flags & MSG_SYSTEM_FLAGS) | (is_recent(view, row->uid) ? MSG_RECENT : 0);
}

const char *const *view_keywords(const struct view *view, size_t *n_r)
{
	*n_r = view->keywords.n;
	return (const char *const *)view->keywords.v;
}

void view_info(struct view *view, struct mailbox_info *info_r)
{
	*info_r = view->info;
}

bool view_is_gone(const struct view *view)
{
	return view->gone;
}

/* What all rows before a slot have in common is remembered for the next view. */
static size_t skip_seen(struct index *x)
{
	size_t slot = x->seen_prefix, hole = index_gone_before(x, slot);
	for (; slot < x->n; slot++) {
		bool gone = hole < x->gone.n && x->gone.v[hole] == slot;
		hole += gone;
		if (!gone && !(index_row(x, slot)->flags & MSG_SEEN))
			break;
	}
	return x->seen_prefix = slot;
}

uint32_t view_first_unseen(const struct view *view)
{
	size_t slot = skip_seen(view->index), hole = view_holes_before(view, slot);
	for (; slot < view->n; slot++) {
		if (hole < view->holes.n && view->holes.v[hole] == slot)
			hole++;
		else if (!(index_row(view->index, slot)->flags & MSG_SEEN))
			return (uint32_t)(slot - hole) + 1;
	}
	return 0;
}

/* --- \Recent --- */

/* Messages that are in the log and not shown yet, because they are still on their way to the medium. */
static uint32_t count_held_back(const struct account *a, uint32_t mailbox)
{
	struct index x;
	index_init(&x, mailbox);
	list_each(l, &a->pending)
	{
		struct pending *p = list_entry(l, struct pending, link);
		index_apply(&x, &p->record, p->origin);
	}
	uint32_t n = (uint32_t)(x.n - x.gone.n);
	index_fini(&x);
	return n;
}

/* Claims follow each other, unless another session has some in between. If that goes on for long, what it has is taken
 * for this one's, too: in doubt a message is \Recent (RFC 3501 2.3.2). */
static void add_recent(struct view *view, uint32_t from, uint32_t upto)
{
	size_t n = view->recent.n;
	if (n && view->recent.v[n - 1].to + 1 == from) {
		view->recent.v[n - 1].to = upto;
		return;
	}
	if (n == RECENT_SPANS_MAX) {
		view->recent.v[1].from = view->recent.v[0].from;
		array_remove(&view->recent, 0);
	}
	*array_add(&view->recent) = (struct uid_span){from, upto};
}

static enum store_status write_claim(struct view *view, struct mailbox *m, uint32_t upto)
{
	struct str bytes = STR_INIT;
	uint64_t end;
	uint32_t from = m->recent_upto + 1;
	account_start_record(&bytes, NULL);
	op_put_recent(&bytes, &(struct op_recent){.mailbox = m->id,
				      .upto = upto,
				      .left = count_held_back(view->account, m->id)});
	enum store_status status =
		account_write(view->account, &bytes, RECORD_LAZY, view->serial, &end);
	str_fini(&bytes);
	if (status == STORE_OK)
		add_recent(view, from, upto);
	return status;
}

/* All that is shown and that no other session has claimed becomes this one's (rule 21). A session
 * that can't have the lock goes without. */
static void claim_recent(struct view *view)
{
	struct account *a = view->account;
	const struct mailbox *m = tree_find(&a->shown, view->mailbox);
	uint32_t upto = m ? m->uidnext - 1 : 0;
	struct mailbox *live = tree_find(&a->live, view->mailbox);
	if (view->read_only || !live || live->recent_upto >= upto)
		return;
	if (account_begin(a, clock_mono_ms() + CLAIM_MS) != STORE_OK)
		return;
	enum store_status status = STORE_NOT_FOUND;
	m = tree_find(&a->shown, view->mailbox); /* more of it, perhaps, since the lock was awaited */
	upto = m ? m->uidnext - 1 : 0;
	live = tree_find(&a->live, view->mailbox);
	if (live && live->recent_upto < upto)
		status = write_claim(view, live, upto);
	account_end(a);
	if (status == STORE_OK)
		account_flags_written(a);
}

static uint32_t count_recent(const struct view *view, const struct mailbox *m)
{
	uint32_t n = 0;
	if (view->read_only)
		return m->recent;
	for (size_t i = 0; i < view->recent.n; i++) {
		const struct uid_span *r = &view->recent.v[i];
		n += view_seq_of(view, r->to + 1) - view_seq_of(view, r->from);
	}
	return n;
}

/* --- what is told of the mailbox --- */

/* true when names were added. */
static bool copy_keywords(struct view *view, const struct mailbox *m)
{
	size_t had = view->keywords.n;
	for (size_t i = had; i < m->nkeywords; i++)
		*array_add(&view->keywords) = mem_strdup(m->keywords[i]);
	return view->keywords.n > had;
}

static void set_info(struct view *view, const struct mailbox *m)
{
	if (!view->name || strcmp(view->name, m->name) != 0) {
		mem_free(&view->name);
		view->name = mem_strdup(m->name);
	}
	view->info = (struct mailbox_info){
		.id = m->id,
		.name = view->name,
		.use = m->use,
		.uidvalidity = m->uidvalidity,
		.uidnext = m->uidnext,
		.messages = view_count(view),
		.unseen = m->unseen,
		.recent = count_recent(view, m),
		.deleted = m->deleted,
		.size = m->size,
		.highest_modseq = m->highest_modseq,
	};
	if (hash_find(view->account->shown.subscribed, span_of(m->name)))
		view->info.flags |= MAILBOX_SUBSCRIBED;
}

static void trim_journal(struct index *x)
{
	uint64_t least = x->journal_first + x->journal.n;
	list_each(l, &x->views) {
		const struct view *v = list_entry(l, struct view, link);
		if (v->cursor < least)
			least = v->cursor;
	}
	if (least < x->journal_first)
		least = x->journal_first; /* what that one missed is in the entry for all rows */
	size_t done = (size_t)(least - x->journal_first);
	if (done == 0 || (done < 64 && done < x->journal.n))
		return;
	memmove(x->journal.v, x->journal.v + done, (x->journal.n - done) * sizeof(*x->journal.v));
	x->journal.n -= done;
	x->journal_first = least;
}

static uint64_t journal_end(const struct index *x)
{
	return x->journal_first + x->journal.n;
}

enum store_status view_open(
	struct account *a, uint32_t mailbox, bool read_only, struct view **view_r)
{
	struct index *x;
	enum store_status status = account_refresh(a);
	if (status != STORE_OK)
		return status;
	const struct mailbox *m = tree_find(&a->shown, mailbox);
	if (m && m->noselect)
		return STORE_DENIED;
	status = account_index(a, mailbox, &x);
	if (status != STORE_OK)
		return status;
	struct view *view = mem_new(struct view);
	view->account = a;
	view->index = x;
	view->mailbox = mailbox;
	view->read_only = read_only;
	view->serial = ++a->store->serial;
	list_add_tail(&x->views, &view->link); /* from here on the index stays */
	claim_recent(view);
	m = tree_find(&a->shown, mailbox);
	if (!m) {
		view_close(&view);
		return STORE_NOT_FOUND;
	}
	view->n = x->n;
	if (x->gone.n)
		array_append(&view->holes, x->gone.v, x->gone.n);
	view->cursor = journal_end(x);
	copy_keywords(view, m);
	set_info(view, m);
	*view_r = view;
	return STORE_OK;
}

void view_close(struct view **view)
{
	struct view *v = *view;
	if (!v)
		return;
	list_remove(&v->link);
	trim_journal(v->index);
	account_index_unused(v->account, v->index);
	array_fini(&v->holes);
	array_fini(&v->recent);
	for (size_t i = 0; i < v->keywords.n; i++)
		mem_free(&v->keywords.v[i]);
	array_fini(&v->keywords);
	mem_free(&v->name);
	mem_free(view);
}

/* --- catching up --- */

/* New slots join; those of them that are gone already are never shown. */
static void take_new_slots(struct view *view)
{
	const struct index *x = view->index;
	size_t from = index_gone_before(x, view->n);
	if (x->gone.n > from)
		array_append(&view->holes, x->gone.v + from, x->gone.n - from);
	view->n = x->n;
}

/* Slots below view->n that are gone but still shown become holes; their seqs and UIDs are told. One
 * merge. */
static void tell_expunged(struct view *view, struct pool *pool, struct view_changes *c)
{
	const struct index *x = view->index;
	size_t ngone = index_gone_before(x, view->n);
	if (ngone == view->holes.n)
		return;
	size_t most = ngone - view->holes.n;
	c->expunged = pool_array(pool, most, sizeof(*c->expunged));
	c->expunged_uids = pool_array(pool, most, sizeof(*c->expunged_uids));
	for (size_t i = 0, hole = 0; i < ngone; i++) {
		uint32_t slot = x->gone.v[i];
		if (hole < view->holes.n && view->holes.v[hole] == slot) {
			hole++;
			continue;
		}
		/* The i gone slots before it are holes, or were told just now: removed either way.
		 */
		c->expunged[c->nexpunged] = slot - (uint32_t)i + 1;
		c->expunged_uids[c->nexpunged++] = index_row(x, slot)->uid;
	}
	array_reset(&view->holes);
	array_append(
		&view->holes, x->gone.v, ngone); /* every hole is gone, so this is all of both */
}

/* Ranges of slots with foreign flag changes since the last sync, sorted. */
struct ranges {
	ARRAY(struct change) v;
};

static int compare_changes(const void *a, const void *b)
{
	const struct change *x = a, *y = b;
	return x->from < y->from ? -1 : x->from > y->from;
}

static void collect_changes(struct view *view, struct ranges *found)
{
	const struct index *x = view->index;
	uint64_t from = view->cursor > x->journal_first ? view->cursor : x->journal_first;
	for (uint64_t i = from; i < journal_end(x); i++) {
		const struct change *c = &x->journal.v[i - x->journal_first];
		if (c->origin != view->serial && c->from < view->n)
			*array_add(&found->v) = *c;
	}
	view->cursor = journal_end(x);
	if (found->v.n)
		qsort(found->v.v, found->v.n, sizeof(*found->v.v), compare_changes);
}

static void tell_range(const struct view *view, uint32_t from, uint32_t to, struct pool *pool,
	struct view_changes *c, size_t *room)
{
	size_t hole = view_holes_before(view, from), gone = index_gone_before(view->index, from);
	for (uint32_t slot = from; slot <= to; slot++) {
		bool is_hole = hole < view->holes.n && view->holes.v[hole] == slot;
		bool is_gone = gone < view->index->gone.n && view->index->gone.v[gone] == slot;
		hole += is_hole;
		gone += is_gone;
		if (is_hole || is_gone)
			continue;
		if (c->nchanged == *room) {
			uint32_t *more = pool_array(pool, *room * 2 + 16, sizeof(*more));
			if (*room)
				memcpy(more, c->changed, *room * sizeof(*more));
			c->changed = more;
			*room = *room * 2 + 16;
		}
		c->changed[c->nchanged++] = slot - (uint32_t)hole + 1;
	}
}

/* before: slots that the view had before this sync; new ones are told by EXISTS. */
static void tell_changed(struct view *view, size_t before, struct ranges *found, struct pool *pool,
	struct view_changes *c)
{
	size_t room = 0;
	uint32_t next = 0;
	for (size_t i = 0; i < found->v.n; i++) {
		uint32_t from = found->v.v[i].from, to = found->v.v[i].to;
		if (from < next)
			from = next;
		if (to >= before)
			to = (uint32_t)before - 1;
		if (from > to || before == 0)
			continue;
		tell_range(view, from, to, pool, c, &room);
		next = to + 1;
	}
}

static void sync_rows(struct view *view, bool expunge, struct pool *pool, struct view_changes *c)
{
	struct ranges found = {ARRAY_INIT};
	size_t before = view->n;
	uint32_t count;
	collect_changes(view, &found);
	if (expunge)
		tell_expunged(view, pool, c);
	count = view_count(view);
	take_new_slots(view);
	c->exists = view_count(view) != count;
	tell_changed(view, before, &found, pool, c);
	array_fini(&found.v);
	trim_journal(view->index);
}

enum store_status view_sync(
	struct view *view, bool expunge, struct pool *pool, struct view_changes *changes_r)
{
	struct account *a = view->account;
	*changes_r = (struct view_changes){0};
	enum store_status status = account_refresh(a);
	if (status == STORE_OK)
		claim_recent(view);
	if (status != STORE_OK || index_is_bad(view->index))
		return STORE_DAMAGED;
	const struct mailbox *m = tree_find(&a->shown, view->mailbox);
	view->gone = !m;
	if (!m)
		return STORE_OK;
	uint32_t recent = view->info.recent;
	sync_rows(view, expunge, pool, changes_r);
	changes_r->keywords = copy_keywords(view, m);
	set_info(view, m);
	changes_r->recent = view->info.recent != recent;
	return STORE_OK;
}
