/* Reading what was written, by this process and others, and deciding what of it may be shown (rules
 * 11, 13). */
#include <errno.h>

#include "base/clock.h"
#include "base/log.h"
#include "store/account.h"

static void show(struct account *a, const struct record *r, uint64_t origin)
{
	struct index *grown = NULL;
	size_t at = 0;
	struct span key;
	void *value;
	if (tree_apply(&a->shown, r) < 0)
		a->stale = true;
	while (hash_next(a->indexes, &at, &key, &value)) {
		struct index *x = value;
		if (index_apply(x, r, origin) < 0)
			x->damaged = true;
		if (idle_index_has_grown(x))
			grown = x;
	}
	if (grown)
		idle_index_put(a, grown);
}

static void hold_back(struct account *a, const struct record *r, uint64_t origin)
{
	struct pending *p = mem_alloc(sizeof(*p) + r->ops.n);
	p->record = *r;
	memcpy(p + 1, r->ops.p, r->ops.n);
	p->record.ops = span_make(p + 1, r->ops.n);
	p->record.actor = p->record.trace = span_make("", 0);
	p->origin = origin;
	list_add_tail(&a->pending, &p->link);
}

static bool may_show(const struct record *r, uint64_t durable)
{
	return r->class == RECORD_LAZY || r->at + r->length <= durable;
}

void account_absorb(struct account *a, const struct record *r, uint64_t origin)
{
	if (tree_apply(&a->live, r) < 0) {
		log_error("Record %llu of account %s can't be understood.",
			(unsigned long long)r->sequence, a->id);
		a->stale = true;
	}
	if (r->class == RECORD_LAZY)
		a->unsynced++;
	if (list_is_empty(&a->pending) && may_show(r, head_durable(&a->head)))
		show(a, r, origin);
	else
		hold_back(a, r, origin);
}

void account_settle(struct account *a)
{
	uint64_t durable = head_durable(&a->head);
	while (!list_is_empty(&a->pending)) {
		struct pending *p = list_entry(a->pending.next, struct pending, link);
		if (!may_show(&p->record, durable))
			break;
		show(a, &p->record, p->origin);
		list_remove(&p->link);
		mem_free(&p);
	}
	if (durable >= a->live.at)
		a->unsynced = 0;
	fiber_wake_all(&a->changed);
}

static bool continues(const struct account *a, const struct record *r)
{
	return r->sequence > a->live.sequence && r->chain == a->live.chain;
}

enum store_status account_follow(struct account *a, uint64_t end)
{
	while (a->live.at < end) {
		struct record r;
		uint64_t at = a->live.at;
		log_know(&a->log, head_segment(&a->head));
		a->log.limit = end;
		int rc = log_get(&a->log, at, &r);
		if (at != a->live.at)
			continue; /* another fiber was faster */
		if (rc < 0) {
			log_error("The log of account %s can't be read: %m.", a->id);
			return store_status_of(errno);
		}
		if (rc == 0 || !continues(a, &r) || r.at + r.length > end) {
			log_error("The log of account %s is not whole at %llu.", a->id,
				(unsigned long long)at);
			return STORE_DAMAGED;
		}
		account_absorb(a, &r, 0);
	}
	return STORE_OK;
}

enum store_status account_refresh(struct account *a)
{
	if (a->stale)
		return STORE_FAILED;
	if (head_is_bad(&a->head))
		return STORE_DAMAGED;
	uint64_t end = head_end(&a->head);
	if (end < a->live.at || head_segment(&a->head) < a->log.n) {
		/* Cut by a recovery: what this process showed may be gone. */
		a->stale = true;
		return STORE_FAILED;
	}
	uint64_t before = a->shown.at;
	enum store_status status = end > a->live.at ? account_follow(a, end) : STORE_OK;
	if (status != STORE_OK) {
		a->stale = true;
		return status;
	}
	log_shrink_window(&a->log);
	if (!list_is_empty(&a->pending) || a->shown.at != before)
		account_settle(a);
	account_watch_tail(a);
	return a->stale ? STORE_DAMAGED : STORE_OK;
}

static bool touches(const struct record *r, uint32_t mailbox)
{
	struct span rest = r->ops;
	struct op op;
	uint32_t id;
	uint64_t prev;
	while (op_next(&rest, &op) > 0) {
		if (op.kind == OP_DELETE && op_parse_delete(op.body, &id) == 0 && id == mailbox)
			return true;
		if (op.kind != OP_ADD && op_parse_link(&op, &id, &prev) && id == mailbox)
			return true;
	}
	return false;
}

bool account_has_conflict(const struct account *a, uint32_t mailbox)
{
	list_each(l, &a->pending) {
		const struct pending *p = list_entry(l, struct pending, link);
		if (touches(&p->record, mailbox))
			return true;
	}
	return false;
}
