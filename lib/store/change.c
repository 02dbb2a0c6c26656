#include "store/change.h"

#include "store/name.h"

bool change_is_over_quota(const struct account *a, uint64_t bytes, uint64_t messages)
{
	const struct account_limits *l = &a->limits;
	return (l->bytes && a->live.bytes + bytes > l->bytes) ||
	       (l->messages && a->live.messages + messages > l->messages);
}

enum store_status change_finish(struct account *a, struct str *bytes, enum store_status status)
{
	uint64_t end = 0;
	if (status == STORE_OK)
		status = account_write(a, bytes, RECORD_FIRM, 0, &end);
	account_end(a);
	if (status == STORE_OK)
		status = account_commit(a, end);
	str_fini(bytes);
	return status;
}

/* --- keywords --- */

static void put_keyword(struct str *bytes, uint32_t mailbox, unsigned bit, const char *name)
{
	struct op_keyword op = {.mailbox = mailbox, .bit = (uint8_t)bit, .name = span_of(name)};
	op_put_keyword(bytes, &op);
}

static int find_keyword(const struct keyword_set *set, const char *name)
{
	int bit = mailbox_keyword(set->m, name);
	for (unsigned k = set->m->nkeywords; bit < 0 && k < set->count; k++)
		if (span_ieq(span_of(set->fresh[k]), span_of(name)))
			bit = (int)k;
	return bit;
}

enum store_status change_put_keywords(struct str *bytes, struct keyword_set *set,
	const char *const *v, size_t n, uint64_t *bits_r)
{
	*bits_r = 0;
	if (!set->count)
		set->count = set->m->nkeywords;
	for (size_t i = 0; i < n; i++) {
		int bit = find_keyword(set, v[i]);
		if (bit < 0 && !keyword_is_valid(v[i]))
			return STORE_INVALID;
		if (bit < 0 && set->count == MSG_KEYWORDS_MAX)
			return STORE_TOO_MANY;
		if (bit < 0) {
			bit = (int)set->count++;
			set->fresh[bit] = v[i];
			put_keyword(bytes, set->m->id, (unsigned)bit, v[i]);
		}
		*bits_r |= UINT64_C(1) << bit;
	}
	return STORE_OK;
}

uint64_t change_find_keywords(const struct mailbox *m, const char *const *v, size_t n)
{
	uint64_t bits = 0;
	for (size_t i = 0; i < n; i++) {
		int bit = mailbox_keyword(m, v[i]);
		bits |= bit < 0 ? 0 : UINT64_C(1) << bit;
	}
	return bits;
}

/* --- copies --- */

struct copy_target copy_target_of(const struct mailbox *live)
{
	return (struct copy_target){
		.mailbox = live->id,
		.uidnext = live->uidnext,
		.last = live->last,
		.live = live,
		.nkeywords = live->nkeywords,
	};
}

static uint64_t used_keywords(const struct index *x, const struct slots *slots)
{
	uint64_t used = 0;
	for (size_t i = 0; i < slots->v.n; i++)
		used |= index_row(x, slots->v.v[i])->keywords;
	return used;
}

/* Which bit of the target stands for each bit of the source; the target's room ends at
 * MSG_KEYWORDS_MAX, what does not fit is not copied. */
static void map_keywords(struct str *bytes, const struct mailbox *from, uint64_t used,
	struct copy_target *to, uint64_t map[MSG_KEYWORDS_MAX])
{
	for (unsigned bit = 0; bit < MSG_KEYWORDS_MAX; bit++) {
		map[bit] = 0;
		if (!(used >> bit & 1) || bit >= from->nkeywords)
			continue;
		int there = to->live ? mailbox_keyword(to->live, from->keywords[bit]) : -1;
		if (there < 0 && to->nkeywords < MSG_KEYWORDS_MAX) {
			there = (int)to->nkeywords++;
			put_keyword(bytes, to->mailbox, (unsigned)there, from->keywords[bit]);
		}
		if (there >= 0)
			map[bit] = UINT64_C(1) << there;
	}
}

static uint64_t mapped(uint64_t bits, const uint64_t map[MSG_KEYWORDS_MAX])
{
	uint64_t to = 0;
	for (; bits; bits &= bits - 1)
		to |= map[__builtin_ctzll(bits)];
	return to;
}

static void put_copied_row(
	struct str *bytes, const struct msg_row *row, const uint64_t map[MSG_KEYWORDS_MAX])
{
	struct op_row copy = {
		.size = row->size,
		.header_size = row->header_size,
		.flags = row->flags,
		.keywords = mapped(row->keywords, map),
		.internal_date = row->internal_date,
		.zone = row->zone,
		.sent_date = row->sent_date,
		.pack = row->pack,
		.pack_at = row->pack_at,
		.summary_at = row->summary_at,
		.summary_size = row->summary_size,
	};
	op_put_row(bytes, &copy);
}

#define COPIED_ROW_MAX 100 /* octets of a copied row in a record */

enum store_status change_put_copy(struct str *bytes, const struct index *x,
	const struct mailbox *from, const struct slots *slots, struct copy_target *to)
{
	uint64_t map[MSG_KEYWORDS_MAX];
	size_t n = slots->v.n;
	if (n > RECORD_MAX / COPIED_ROW_MAX ||
		(to->live && to->live->messages + n > STORE_MESSAGES_MAX) ||
		to->uidnext > UINT32_MAX - n - 1)
		return STORE_TOO_MANY;
	map_keywords(bytes, from, used_keywords(x, slots), to, map);
	struct op_add add = {
		.mailbox = to->mailbox,
		.prev = to->last,
		.first_uid = to->uidnext,
		.n = (uint32_t)n,
	};
	size_t at = op_begin_add(bytes, &add);
	for (size_t i = 0; i < n; i++)
		put_copied_row(bytes, index_row(x, slots->v.v[i]), map);
	op_end(bytes, at);
	return STORE_OK;
}

/* --- expunge --- */

static void count_out(struct op_delta *d, const struct msg_row *row, uint32_t recent_upto)
{
	d->messages--;
	d->unseen -= !(row->flags & MSG_SEEN);
	d->recent -= row->uid > recent_upto;
	d->deleted -= !!(row->flags & MSG_DELETED);
	d->size -= row->size;
}

void change_put_expunge(struct str *bytes, const struct index *x, const struct mailbox *from,
	const struct slots *slots)
{
	struct op_expunge op = {.mailbox = from->id, .prev = from->last};
	struct str ranges = STR_INIT;
	uint32_t last = 0;
	for (size_t i = 0, end; i < slots->v.n; i = end) {
		const uint32_t *v = slots->v.v;
		for (end = i; end < slots->v.n && v[end] == v[i] + (end - i); end++)
			count_out(&op.delta, index_row(x, v[end]), from->recent_upto);
		op_put_range(
			&ranges, &last, index_row(x, v[i])->uid, index_row(x, v[end - 1])->uid);
	}
	op.ranges = str_span(&ranges);
	op_put_expunge(bytes, &op);
	str_fini(&ranges);
}
