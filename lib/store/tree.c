#include "store/tree.h"

#include "base/clock.h"
#include "base/num.h"
#include "os/os.h"
#include "store/checkpoint.h"

static void mailbox_free(struct mailbox *m)
{
	for (unsigned i = 0; i < m->nkeywords; i++)
		mem_free(&m->keywords[i]);
	mem_free(&m->keywords);
	mem_free(&m->name);
	mem_free(&m);
}

void tree_init(struct tree *t, bool with_seen)
{
	*t = (struct tree){.at = LOG_FIRST, .next_id = 1, .next_uidvalidity = 1};
	t->names = hash_new();
	t->subscribed = hash_new();
	t->seen = with_seen ? seen_new() : NULL;
}

void tree_fini(struct tree *t)
{
	for (size_t i = 0; i < t->boxes.n; i++)
		mailbox_free(t->boxes.v[i]);
	array_fini(&t->boxes);
	hash_free(&t->names);
	hash_free(&t->subscribed);
	seen_free(&t->seen);
}

/* Where the id is, or belongs. */
static size_t place_of(const struct tree *t, uint32_t id)
{
	size_t low = 0, high = t->boxes.n;
	if (high && t->boxes.v[high - 1]->id < id)
		return high;
	while (low < high) {
		size_t mid = (low + high) / 2;
		if (t->boxes.v[mid]->id < id)
			low = mid + 1;
		else
			high = mid;
	}
	return low;
}

struct mailbox *tree_find(const struct tree *t, uint32_t id)
{
	size_t at = place_of(t, id);
	return at < t->boxes.n && t->boxes.v[at]->id == id ? t->boxes.v[at] : NULL;
}

size_t tree_name_cost(size_t name_length)
{
	return name_length + 8;
}

struct mailbox *tree_find_name(const struct tree *t, const char *name)
{
	return hash_find(t->names, span_of(name));
}

int mailbox_keyword(const struct mailbox *m, const char *name)
{
	for (int i = 0; i < m->nkeywords; i++)
		if (span_ieq(span_of(m->keywords[i]), span_of(name)))
			return i;
	return -1;
}

/* --- applying --- */

static char *span_dup(struct span s)
{
	char *copy = mem_alloc(s.n + 1);
	memcpy(copy, s.p, s.n);
	return copy;
}

static bool name_is_sane(struct span name)
{
	return name.n && name.n <= STORE_NAME_MAX && !memchr(name.p, 0, name.n);
}

static struct mailbox *add_mailbox(struct tree *t, uint32_t id, struct span name)
{
	size_t at = place_of(t, id);
	bool there = at < t->boxes.n && t->boxes.v[at]->id == id;
	if (there || !name_is_sane(name) || hash_find(t->names, name) ||
		t->boxes.n >= STORE_MAILBOXES_MAX)
		return NULL;
	struct mailbox *m = mem_new(struct mailbox);
	m->id = id;
	m->uidnext = 1;
	m->name = span_dup(name);
	array_add(&t->boxes);
	memmove(t->boxes.v + at + 1, t->boxes.v + at, (t->boxes.n - 1 - at) * sizeof(*t->boxes.v));
	t->boxes.v[at] = m;
	hash_set(t->names, name, m);
	t->name_octets += tree_name_cost(name.n);
	if (id >= t->next_id && id < UINT32_MAX)
		t->next_id = id + 1;
	return m;
}

static int apply_create(struct tree *t, const struct record *r, struct span body)
{
	struct op_create op;
	if (op_parse_create(body, &op) < 0)
		return -1;
	struct mailbox *m = add_mailbox(t, op.id, op.name);
	if (!m)
		return 0;
	m->uidvalidity = op.uidvalidity;
	m->use = op.use < USE_COUNT_ ? op.use : USE_NONE;
	m->noselect = op.noselect;
	m->highest_modseq = r->sequence;
	if (op.uidvalidity >= t->next_uidvalidity && op.uidvalidity < UINT32_MAX)
		t->next_uidvalidity = op.uidvalidity + 1;
	return 0;
}

static uint64_t less(uint64_t a, uint64_t b)
{
	return a > b ? a - b : 0;
}

static int apply_delete(struct tree *t, struct span body)
{
	uint32_t id;
	if (op_parse_delete(body, &id) < 0)
		return -1;
	struct mailbox *m = tree_find(t, id);
	if (!m)
		return 0;
	t->bytes = less(t->bytes, m->size);
	t->messages = less(t->messages, m->messages);
	hash_remove(t->names, span_of(m->name));
	t->name_octets -= tree_name_cost(strlen(m->name));
	size_t at = place_of(t, id);
	array_remove(&t->boxes, at);
	mailbox_free(m);
	return 0;
}

static int apply_rename(struct tree *t, struct span body)
{
	struct op_rename op;
	if (op_parse_rename(body, &op) < 0)
		return -1;
	struct mailbox *m = tree_find(t, op.id);
	if (!m || !name_is_sane(op.name) || hash_find(t->names, op.name))
		return 0;
	hash_remove(t->names, span_of(m->name));
	t->name_octets += op.name.n - strlen(m->name);
	mem_free(&m->name);
	m->name = span_dup(op.name);
	hash_set(t->names, op.name, m);
	return 0;
}

static void subscribe(struct tree *t, struct span name)
{
	if (!hash_set(t->subscribed, name, t))
		t->name_octets += tree_name_cost(name.n);
}

static int apply_subscribe(struct tree *t, struct span body)
{
	struct op_subscribe op;
	if (op_parse_subscribe(body, &op) < 0)
		return -1;
	if (!name_is_sane(op.name))
		return 0;
	if (op.on)
		subscribe(t, op.name);
	else if (hash_remove(t->subscribed, op.name))
		t->name_octets -= tree_name_cost(op.name.n);
	return 0;
}

static void set_keyword(struct mailbox *m, unsigned bit, struct span name)
{
	if (bit != m->nkeywords || bit >= MSG_KEYWORDS_MAX || !name.n || memchr(name.p, 0, name.n))
		return;
	m->keywords = mem_realloc(m->keywords, (bit + 1) * sizeof(*m->keywords));
	m->keywords[bit] = span_dup(name);
	m->nkeywords++;
}

static int apply_keyword(struct tree *t, struct span body)
{
	struct op_keyword op;
	if (op_parse_keyword(body, &op) < 0)
		return -1;
	struct mailbox *m = tree_find(t, op.mailbox);
	if (m)
		set_keyword(m, op.bit, op.name);
	return 0;
}

static void touch(struct mailbox *m, const struct record *r, uint64_t rows)
{
	m->highest_modseq = r->sequence;
	m->last = r->at;
	m->changes += rows;
}

static void count_row(struct tree *t, struct mailbox *m, const struct op_row *row)
{
	m->messages++;
	m->recent++;
	m->unseen += !(row->flags & MSG_SEEN);
	m->deleted += !!(row->flags & MSG_DELETED);
	m->size += row->size;
	t->messages++;
	t->bytes += row->size;
}

static int apply_add(struct tree *t, const struct record *r, struct span body)
{
	struct op_add op;
	if (op_parse_add(body, &op) < 0)
		return -1;
	struct mailbox *m = tree_find(t, op.mailbox);
	struct op_row row;
	uint32_t n = 0;
	int rc = 0;
	while (n < op.n && (rc = op_row_next(&op.rows, &row)) > 0) {
		if (m && op.first_uid >= m->uidnext)
			count_row(t, m, &row);
		if (row.seen && t->seen)
			seen_add(t->seen, row.seen, r->time_us / 1000000, op.first_uid + n, r->at);
		n++;
	}
	if (rc < 0 || n < op.n)
		return -1;
	if (m && op.first_uid >= m->uidnext) {
		m->uidnext = op.first_uid + n;
		touch(m, r, n);
	}
	return 0;
}

static uint64_t shift(uint64_t v, int64_t by)
{
	if (by < 0)
		return less(v, -(uint64_t)by);
	return v + (uint64_t)by < v ? v : v + (uint64_t)by;
}

static uint32_t shift32(uint32_t v, int64_t by)
{
	uint64_t sum = shift(v, by);
	return sum > UINT32_MAX ? UINT32_MAX : (uint32_t)sum;
}

/* Replaying a change of flags costs a fraction of replaying a new row. */
#define RANGE_ROWS 8

/* How many rows ranges may mean: what a mailbox's checkpoint is due by. */
static int count_ranges(struct span ranges, uint32_t uidnext, uint64_t *n_r)
{
	uint32_t last = 0, from, to;
	int rc;
	*n_r = 0;
	while ((rc = op_range_next(&ranges, &last, &from, &to)) > 0)
		*n_r += (uint64_t)(to < uidnext ? to : uidnext) -
			(from < uidnext ? from : uidnext) + 1;
	return rc;
}

static int apply_delta(struct tree *t, const struct record *r, uint32_t mailbox,
	const struct op_delta *d, struct span ranges)
{
	struct mailbox *m = tree_find(t, mailbox);
	uint64_t rows;
	if (count_ranges(ranges, m ? m->uidnext : 1, &rows) < 0)
		return -1;
	if (!m)
		return 0;
	m->messages = shift32(m->messages, d->messages);
	m->unseen = shift32(m->unseen, d->unseen);
	m->recent = shift32(m->recent, d->recent);
	m->deleted = shift32(m->deleted, d->deleted);
	m->size = shift(m->size, d->size);
	t->messages = shift(t->messages, d->messages);
	t->bytes = shift(t->bytes, d->size);
	touch(m, r, rows / RANGE_ROWS + 1);
	return 0;
}

static int apply_recent(struct tree *t, struct span body)
{
	struct op_recent op;
	if (op_parse_recent(body, &op) < 0)
		return -1;
	struct mailbox *m = tree_find(t, op.mailbox);
	if (!m || op.upto <= m->recent_upto)
		return 0;
	m->recent_upto = op.upto;
	m->recent = op.left;
	return 0;
}

#define LIFT 65536u

static void lift(struct tree *t)
{
	for (size_t i = 0; i < t->boxes.n; i++)
		if (t->boxes.v[i]->uidnext < UINT32_MAX - LIFT)
			t->boxes.v[i]->uidnext += LIFT;
	if (t->next_id < UINT32_MAX - LIFT)
		t->next_id += LIFT;
	if (t->next_uidvalidity < UINT32_MAX - LIFT)
		t->next_uidvalidity += LIFT;
}

static int apply_uidvalidity(struct tree *t, struct span body)
{
	struct reader in = reader_of(body);
	uint32_t v = get_u32(&in);
	if (v > t->next_uidvalidity)
		t->next_uidvalidity = v;
	return in.bad ? -1 : 0;
}

static int apply_op(struct tree *t, const struct record *r, const struct op *op)
{
	struct op_flags flags;
	struct op_expunge expunge;
	switch (op->kind) {
	case OP_CREATE:
		return apply_create(t, r, op->body);
	case OP_DELETE:
		return apply_delete(t, op->body);
	case OP_RENAME:
		return apply_rename(t, op->body);
	case OP_SUBSCRIBE:
		return apply_subscribe(t, op->body);
	case OP_KEYWORD:
		return apply_keyword(t, op->body);
	case OP_ADD:
		return apply_add(t, r, op->body);
	case OP_FLAGS:
		return op_parse_flags(op->body, &flags) < 0
			       ? -1
			       : apply_delta(t, r, flags.mailbox, &flags.delta, flags.ranges);
	case OP_EXPUNGE:
		return op_parse_expunge(op->body, &expunge) < 0
			       ? -1
			       : apply_delta(t, r, expunge.mailbox, &expunge.delta, expunge.ranges);
	case OP_RECENT:
		return apply_recent(t, op->body);
	case OP_UIDVALIDITY:
		return apply_uidvalidity(t, op->body);
	case OP_LIFT:
		lift(t);
		break;
	}
	return 0;
}

int tree_apply(struct tree *t, const struct record *r)
{
	struct span rest = r->ops;
	struct op op;
	int rc;
	t->at = r->at + r->length;
	t->added += r->length;
	t->sequence = r->sequence;
	t->chain = r->crc;
	while ((rc = op_next(&rest, &op)) > 0)
		if (apply_op(t, r, &op) < 0)
			return -1;
	return rc;
}

/* --- the checkpoint --- */

static void put_mailbox(struct str *out, const struct mailbox *m)
{
	put_u32(out, m->id);
	put_u32(out, m->uidvalidity);
	put_u32(out, m->uidnext);
	put_u8(out, m->use);
	put_u8(out, m->noselect);
	put_u32(out, m->messages);
	put_u32(out, m->unseen);
	put_u32(out, m->recent);
	put_u32(out, m->deleted);
	put_u32(out, m->recent_upto);
	put_u64(out, m->size);
	put_u64(out, m->highest_modseq);
	put_u64(out, m->last);
	put_u64(out, m->changes);
	put_cstr(out, m->name);
	put_u8(out, m->nkeywords);
	for (unsigned i = 0; i < m->nkeywords; i++)
		put_cstr(out, m->keywords[i]);
}

static void put_body(const struct tree *t, const struct seen *seen, struct str *out)
{
	put_u32(out, t->chain);
	put_u32(out, t->next_id);
	put_u32(out, t->next_uidvalidity);
	put_u64(out, t->bytes);
	put_u64(out, t->messages);
	put_varint(out, t->boxes.n);
	for (size_t i = 0; i < t->boxes.n; i++)
		put_mailbox(out, t->boxes.v[i]);
	put_varint(out, hash_count(t->subscribed));
	struct span name;
	void *value;
	for (size_t at = 0; hash_next(t->subscribed, &at, &name, &value);)
		put_blob(out, name);
	seen_put(seen, clock_wall_s(), t->at, out);
}

void tree_put(const struct tree *t, const struct seen *seen, const char *account, struct str *out)
{
	char header[CHECKPOINT_HEADER] = {0};
	str_reset(out);
	str_add(out, header, sizeof(header));
	put_body(t, seen, out);
	struct checkpoint c = {
		.at = t->at,
		.sequence = t->sequence,
		.count = out->len - CHECKPOINT_HEADER,
		.body_crc = os_crc32c(0, out->s + CHECKPOINT_HEADER, out->len - CHECKPOINT_HEADER),
	};
	checkpoint_put(&c, TREE_MAGIC, account, header);
	memcpy(out->s, header, sizeof(header));
}

static int get_mailbox(struct tree *t, struct reader *in)
{
	struct mailbox read = {0};
	read.id = get_u32(in);
	read.uidvalidity = get_u32(in);
	read.uidnext = get_u32(in);
	read.use = get_u8(in);
	read.noselect = get_u8(in);
	read.messages = get_u32(in);
	read.unseen = get_u32(in);
	read.recent = get_u32(in);
	read.deleted = get_u32(in);
	read.recent_upto = get_u32(in);
	read.size = get_u64(in);
	read.highest_modseq = get_u64(in);
	read.last = get_u64(in);
	read.changes = get_u64(in);
	struct span name = get_blob(in);
	uint8_t nkeywords = get_u8(in);
	struct mailbox *m =
		in->bad || read.use >= USE_COUNT_ ? NULL : add_mailbox(t, read.id, name);
	if (!m)
		return -1;
	read.name = m->name;
	*m = read;
	for (unsigned i = 0; i < nkeywords; i++)
		set_keyword(m, i, get_blob(in));
	return in->bad || m->nkeywords != nkeywords ? -1 : 0;
}

static int parse_body(struct tree *t, struct reader *in)
{
	t->chain = get_u32(in);
	uint32_t next_id = get_u32(in);
	t->next_uidvalidity = get_u32(in);
	t->bytes = get_u64(in);
	t->messages = get_u64(in);
	uint64_t n = get_varint(in);
	for (uint64_t i = 0; i < n; i++)
		if (get_mailbox(t, in) < 0)
			return -1;
	t->next_id = next_id > t->next_id ? next_id : t->next_id;
	n = get_varint(in);
	for (uint64_t i = 0; i < n && !in->bad; i++) {
		struct span name = get_blob(in);
		if (!in->bad && name_is_sane(name))
			subscribe(t, name);
	}
	return in->bad || seen_parse(t->seen, in) < 0 ? -1 : 0;
}

int tree_parse(struct tree *t, const char *account, struct span file)
{
	struct checkpoint c;
	if (checkpoint_parse(&c, TREE_MAGIC, account, file) < 0 ||
		c.count != file.n - CHECKPOINT_HEADER)
		return -1;
	struct span body = span_make(file.p + CHECKPOINT_HEADER, file.n - CHECKPOINT_HEADER);
	if (os_crc32c(0, body.p, body.n) != c.body_crc)
		return -1;
	struct reader in = reader_of(body);
	if (parse_body(t, &in) < 0)
		return -1;
	t->at = c.at;
	t->sequence = c.sequence;
	return 0;
}

void tree_copy(struct tree *to, const struct tree *from)
{
	struct str bytes = STR_INIT;
	put_body(from, from->seen, &bytes);
	struct reader in = reader_of(str_span(&bytes));
	bool keep = to->seen;
	if (!keep)
		to->seen = seen_new();
	parse_body(to, &in);
	if (!keep)
		seen_free(&to->seen);
	to->at = from->at;
	to->sequence = from->sequence;
	to->added = from->added;
	str_fini(&bytes);
}
