#include "store/index.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/num.h"
#include "os/os.h"
#include "store/checkpoint.h"

_Static_assert(sizeof(struct msg_row) == 80, "rows are stored as they are");

void index_init(struct index *x, uint32_t mailbox)
{
	*x = (struct index){.mailbox = mailbox, .at = LOG_FIRST};
	list_init(&x->views);
	list_init(&x->idle_link);
}

void index_fini(struct index *x)
{
	mapping_close(&x->map);
	for (size_t i = 0; i < x->nblocks; i++)
		mem_free(&x->block[i]);
	mem_free(&x->block);
	array_fini(&x->gone);
	array_fini(&x->journal);
	x->n = x->nbase = x->nblocks = 0;
}

size_t index_slot(const struct index *x, uint32_t uid)
{
	size_t low = 0, high = x->n;
	if (!high || index_row(x, high - 1)->uid < uid)
		return high;
	while (low < high) {
		size_t mid = low + (high - low) / 2;
		if (index_row(x, mid)->uid < uid)
			low = mid + 1;
		else
			high = mid;
	}
	return low;
}

size_t index_gone_before(const struct index *x, size_t slot)
{
	size_t low = 0, high = x->gone.n;
	while (low < high) {
		size_t mid = low + (high - low) / 2;
		if (x->gone.v[mid] < slot)
			low = mid + 1;
		else
			high = mid;
	}
	return low;
}

bool index_is_gone(const struct index *x, size_t slot)
{
	size_t at = index_gone_before(x, slot);
	return at < x->gone.n && x->gone.v[at] == slot;
}

/* --- the checkpoint --- */

void index_name(char name[32], uint32_t mailbox)
{
	snprintf(name, 32, "index/%x", mailbox);
}

#define CHECK_ROWS 1024 /* what a processor's cache holds */

/* UIDs must ascend, whatever the sum says: everything searches in them. */
static bool is_ascending(const struct msg_row *rows, size_t n, uint32_t *last)
{
	bool good = true;
	for (size_t i = 0; i < n; i++) {
		good &= rows[i].uid > *last;
		*last = rows[i].uid;
	}
	return good;
}

/* One pass for both. */
static bool rows_are_sane(const struct msg_row *rows, size_t n, uint32_t want)
{
	uint32_t crc = 0, last = 0;
	bool good = true;
	for (size_t at = 0; at < n && good; at += CHECK_ROWS) {
		size_t some = num_min(n - at, CHECK_ROWS);
		crc = os_crc32c(crc, rows + at, some * sizeof(*rows));
		good = is_ascending(rows + at, some, &last);
	}
	return good && crc == want;
}

static int use_map(struct index *x, const char *account)
{
	struct checkpoint c;
	const char *p = x->map.p;
	if (checkpoint_parse(&c, INDEX_MAGIC, account, span_make(p, x->map.n)) < 0 ||
		c.mailbox != x->mailbox || c.count > STORE_MESSAGES_MAX ||
		c.count * sizeof(struct msg_row) != x->map.n - CHECKPOINT_HEADER)
		return 0;
	os_map_ahead(x->map.p, x->map.n);
	x->base = (struct msg_row *)((char *)x->map.p + CHECKPOINT_HEADER);
	if (!rows_are_sane(x->base, (size_t)c.count, c.body_crc))
		return 0;
	x->n = x->nbase = (size_t)c.count;
	x->at = c.at;
	x->changes = c.changes;
	return !mapping_is_bad(&x->map);
}

int index_map(struct index *x, int dirfd, const char *account)
{
	char name[32];
	struct stat st;
	index_name(name, x->mailbox);
	int fd = openat(dirfd, name, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
	if (fd < 0)
		return log_is_trouble(errno) ? -1 : 0;
	int rc = 0;
	if (fstat(fd, &st) == 0 && S_ISREG(st.st_mode) && st.st_size >= CHECKPOINT_HEADER &&
		mapping_open(&x->map, fd, (size_t)st.st_size, false) == 0)
		rc = use_map(x, account);
	close(fd);
	if (rc == 0) {
		uint32_t mailbox = x->mailbox;
		index_fini(x);
		index_init(x, mailbox);
	}
	return rc;
}

#define WRITE_ROWS 4096

/* Rows without the gone ones; the body is made in memory, since it is written once and summed
 * first. */
static void gather(const struct index *x, struct str *body)
{
	size_t next_gone = 0;
	str_reserve(body, (x->n - x->gone.n) * sizeof(struct msg_row));
	for (size_t slot = 0; slot < x->n; slot++) {
		if (next_gone < x->gone.n && x->gone.v[next_gone] == slot) {
			next_gone++;
			continue;
		}
		str_add(body, index_row(x, slot), sizeof(struct msg_row));
	}
}

int index_write(const struct index *x, int dirfd, const char *account, uint64_t sequence,
	uint64_t changes, int (*sync)(int fd))
{
	char header[CHECKPOINT_HEADER], name[32];
	struct str body = STR_INIT;
	gather(x, &body);
	struct checkpoint c = {
		.at = x->at,
		.sequence = sequence,
		.mailbox = x->mailbox,
		.count = x->n - x->gone.n,
		.changes = changes,
		.body_crc = os_crc32c(0, body.s, body.len),
	};
	checkpoint_put(&c, INDEX_MAGIC, account, header);
	index_name(name, x->mailbox);
	int folder = openat(dirfd, "index", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	int rc =
		folder < 0 ? -1 : checkpoint_write(folder, name + 6, header, str_span(&body), sync);
	int cause = errno;
	if (folder >= 0)
		close(folder);
	str_fini(&body);
	errno = cause;
	return rc;
}

/* --- applying records --- */

static void note(struct index *x, size_t from, size_t to, uint64_t origin)
{
	if (list_is_empty(&x->views)) {
		x->journal_first += x->journal.n;
		array_reset(&x->journal);
		return;
	}
	if (x->journal.n == JOURNAL_MAX) {
		/* Numbered as the last of them: who has seen that needs none of it. */
		x->journal_first += JOURNAL_MAX - 1;
		x->journal.v[0] = (struct change){.to = (uint32_t)x->n - 1};
		x->journal.n = 1;
	}
	*array_add(&x->journal) = (struct change){
		.from = (uint32_t)from,
		.to = (uint32_t)to,
		.origin = origin,
	};
}

static struct msg_row *add_row(struct index *x)
{
	size_t at = x->n - x->nbase;
	if (at / INDEX_BLOCK == x->nblocks) {
		x->block = mem_realloc(x->block, (x->nblocks + 1) * sizeof(*x->block));
		x->block[x->nblocks++] = mem_alloc(INDEX_BLOCK * sizeof(struct msg_row));
	}
	x->n++;
	x->touched++;
	return index_row(x, x->n - 1);
}

void index_add_rows(struct index *x, const struct msg_row *rows, size_t n)
{
	for (size_t i = 0; i < n; i++)
		*add_row(x) = rows[i];
}

static void fill_row(struct msg_row *to, const struct op_row *from, const struct record *r)
{
	*to = (struct msg_row){
		.uid = to->uid,
		.size = from->size,
		.flags = from->flags & MSG_SYSTEM_FLAGS,
		.header_size = from->header_size,
		.keywords = from->keywords,
		.modseq = r->sequence,
		.internal_date = from->internal_date,
		.zone = from->zone,
		.summary_size = from->summary_size,
		.summary_at = from->summary_at,
		.pack = from->pack,
		.pack_at = from->pack_at,
		.sent_date = from->sent_date,
	};
	if (from->summary.p)
		to->summary_at =
			r->at + (r->length - (uint64_t)(r->ops.p + r->ops.n - from->summary.p));
}

static int apply_add(struct index *x, const struct record *r, struct span body)
{
	struct op_add op;
	struct op_row row;
	if (op_parse_add(body, &op) < 0)
		return -1;
	if (op.mailbox != x->mailbox)
		return 0;
	uint32_t uidnext = x->n ? index_row(x, x->n - 1)->uid + 1 : 1;
	if (op.first_uid < uidnext) /* a record that damage made appear twice */
		return 0;
	for (uint32_t i = 0; i < op.n; i++) {
		if (op_row_next(&op.rows, &row) <= 0)
			return -1;
		struct msg_row *to = add_row(x);
		to->uid = op.first_uid + i;
		fill_row(to, &row, r);
	}
	return 0;
}

static uint64_t combine(enum flag_op op, uint64_t old, uint64_t change)
{
	return op == FLAGS_ADD ? old | change : op == FLAGS_REMOVE ? old & ~change : change;
}

static void change_rows(
	struct index *x, const struct op_flags *op, uint64_t modseq, size_t from, size_t to)
{
	for (size_t slot = from; slot <= to; slot++) {
		struct msg_row *row = index_row(x, slot);
		row->flags = (uint32_t)combine(op->op, row->flags, op->flags) & MSG_SYSTEM_FLAGS;
		row->keywords = combine(op->op, row->keywords, op->keywords);
		row->modseq = modseq;
		if (!(row->flags & MSG_SEEN) && slot < x->seen_prefix)
			x->seen_prefix = slot;
	}
	x->touched += to - from + 1;
}

/* Slots of the UIDs from..to: false when there are none. */
static bool slots_of(
	const struct index *x, uint32_t from, uint32_t to, size_t *from_r, size_t *to_r)
{
	*from_r = index_slot(x, from);
	size_t end = to == UINT32_MAX ? x->n : index_slot(x, to + 1);
	*to_r = end - 1;
	return end > *from_r;
}

static int apply_flags(struct index *x, const struct record *r, struct span body, uint64_t origin)
{
	struct op_flags op;
	uint32_t last = 0, from, to;
	size_t first, end;
	int rc;
	if (op_parse_flags(body, &op) < 0)
		return -1;
	if (op.mailbox != x->mailbox)
		return 0;
	while ((rc = op_range_next(&op.ranges, &last, &from, &to)) > 0) {
		if (!slots_of(x, from, to, &first, &end))
			continue;
		change_rows(x, &op, r->sequence, first, end);
		note(x, first, end, origin);
	}
	return rc;
}

/* Slots that join gone, ascending: what is behind the first of them is taken off and merged back, once for a record. */
struct losing {
	ARRAY(uint32_t) behind;
	size_t next; /* of behind */
};

static void put_back(struct index *x, struct losing *l, size_t below)
{
	for (; l->next < l->behind.n && l->behind.v[l->next] < below; l->next++)
		*array_add(&x->gone) = l->behind.v[l->next];
}

static void lose(struct index *x, struct losing *l, size_t from, size_t to)
{
	size_t at = index_gone_before(x, from);
	if (at < x->gone.n) { /* the first time only: then all of gone is below the next ones */
		array_append(&l->behind, x->gone.v + at, x->gone.n - at);
		x->gone.n = at;
	}
	put_back(x, l, from);
	array_reserve(&x->gone, to - from + 1);
	for (size_t slot = from; slot <= to; slot++) {
		bool was = l->next < l->behind.n && l->behind.v[l->next] == slot;
		l->next += was;
		x->touched += !was;
		x->gone.v[x->gone.n++] = (uint32_t)slot;
	}
}

static int apply_expunge(struct index *x, struct span body)
{
	struct op_expunge op;
	struct losing l = {.behind = ARRAY_INIT};
	uint32_t last = 0, from, to;
	size_t first, end;
	int rc;
	if (op_parse_expunge(body, &op) < 0)
		return -1;
	if (op.mailbox != x->mailbox)
		return 0;
	while ((rc = op_range_next(&op.ranges, &last, &from, &to)) > 0) {
		if (!slots_of(x, from, to, &first, &end))
			continue;
		lose(x, &l, first, end);
	}
	put_back(x, &l, SIZE_MAX);
	array_fini(&l.behind);
	return rc;
}

int index_apply(struct index *x, const struct record *r, uint64_t origin)
{
	struct span rest = r->ops;
	struct op op;
	int rc;
	uint32_t mailbox;
	uint64_t prev;
	while ((rc = op_next(&rest, &op)) > 0) {
		int done = 0;
		if (op.kind == OP_ADD)
			done = apply_add(x, r, op.body);
		else if (op.kind == OP_FLAGS)
			done = apply_flags(x, r, op.body, origin);
		else if (op.kind == OP_EXPUNGE)
			done = apply_expunge(x, op.body);
		if (done < 0)
			return -1;
		if (op_parse_link(&op, &mailbox, &prev) && mailbox == x->mailbox)
			x->last = r->at;
	}
	x->at = r->at + r->length;
	return rc;
}

/* --- following the chain --- */

/* The record before this one in the mailbox's chain; 1, 0 the record does not touch the mailbox. */
static int link_of(const struct index *x, const struct record *r, uint64_t *prev_r)
{
	struct span rest = r->ops;
	struct op op;
	uint32_t mailbox;
	while (op_next(&rest, &op) > 0)
		if (op_parse_link(&op, &mailbox, prev_r) && mailbox == x->mailbox)
			return 1;
	return 0;
}

struct positions {
	ARRAY(uint64_t) at;
};

static int collect(struct index *x, struct log *log, uint64_t last, struct positions *found)
{
	uint64_t prev = last;
	log->backwards = true;
	while (prev >= x->at) {
		struct record r;
		uint64_t at = prev;
		int rc = log_get(log, at, &r);
		if (rc < 0)
			return -1;
		if (rc == 0 || !link_of(x, &r, &prev) || prev >= at)
			return 1;
		*array_add(&found->at) = at;
	}
	return 0;
}

int index_catch_up(struct index *x, struct log *log, uint64_t last)
{
	struct positions found = {ARRAY_INIT};
	int rc = collect(x, log, last, &found);
	log->backwards = false;
	for (size_t i = found.at.n; rc == 0 && i-- > 0;) {
		struct record r;
		rc = log_get(log, found.at.v[i], &r) > 0 ? index_apply(x, &r, 0) : -1;
	}
	array_fini(&found.at);
	return rc;
}
