/*
 * account_check: the log from its first record into a second set of trees and rows, compared with
 * what the checkpoints say; every body against its SHA-256. Runs on a helper thread with its own
 * handles; the account stays in use meanwhile (what is compared is as of the durable offset at the
 * start).
 */
#include "store/check.h"

#include <errno.h>
#include <fcntl.h>
#include <nettle/sha2.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "base/log.h"
#include "io/io.h"
#include "os/os.h"
#include "store/checkpoint.h"

struct checking {
	struct account *a;
	struct log log;
	struct tree tree;     /* from the log alone */
	struct hash *indexes; /* mailbox id -> struct index, likewise */
	struct pool *pool;
	uint64_t until;
	bool rebuild, wrong;
	bool failed; /* a checkpoint can't be looked at now */
	void (*say)(void *arg, const char *sentence);
	void *arg;
	struct check_report *report;
};

static void say(struct checking *c, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
static void say(struct checking *c, const char *fmt, ...)
{
	va_list ap;
	c->wrong = true;
	va_start(ap, fmt);
	const char *text = pool_vprintf(c->pool, fmt, ap);
	va_end(ap);
	if (c->say)
		c->say(c->arg, text);
	pool_reset(c->pool);
}

/* --- the log --- */

static struct index *index_of(struct hash *indexes, uint32_t mailbox)
{
	struct index *x = hash_find_u32(indexes, mailbox);
	if (!x) {
		x = mem_new(struct index);
		index_init(x, mailbox);
		hash_set(indexes, span_make(&mailbox, sizeof(mailbox)), x);
	}
	return x;
}

/* Each mailbox that the record touches gets it once. */
static int apply_to_indexes(struct hash *indexes, const struct record *r)
{
	struct span rest = r->ops;
	struct op op;
	uint32_t mailbox;
	uint64_t prev;
	while (op_next(&rest, &op) > 0) {
		if (!op_parse_link(&op, &mailbox, &prev))
			continue;
		struct index *x = index_of(indexes, mailbox);
		if (x->at <= r->at && index_apply(x, r, 0) < 0)
			return -1;
	}
	return 0;
}

static int take_record(void *arg, const struct record *r)
{
	struct checking *c = arg;
	c->report->records++;
	if (tree_apply(&c->tree, r) < 0 || apply_to_indexes(c->indexes, r) < 0)
		say(c, "Record %llu at %llu can't be understood in full.",
			(unsigned long long)r->sequence, (unsigned long long)r->at);
	return 0;
}

static void skip_range(void *arg, uint64_t from, uint64_t to)
{
	struct checking *c = arg;
	c->report->log_damaged++;
	say(c, "The log is damaged from %llu to %llu.", (unsigned long long)from,
		(unsigned long long)to);
}

static int walk_log(struct checking *c)
{
	struct log_walk walk = {
		.at = LOG_FIRST,
		.chain_known = true,
		.floor = c->until,
		.take = take_record,
		.skip = skip_range,
		.arg = c,
	};
	return log_walk(&c->log, &walk);
}

static void free_indexes(struct hash **indexes)
{
	struct span key;
	void *value;
	for (size_t at = 0; hash_next(*indexes, &at, &key, &value);) {
		struct index *x = value;
		index_fini(x);
		mem_free(&x);
	}
	hash_free(indexes);
}

/* --- counters from rows --- */

struct counts {
	uint32_t messages, unseen, recent, deleted;
	uint64_t size;
};

static struct counts count_rows(const struct index *x, uint32_t recent_upto)
{
	struct counts n = {0};
	size_t hole = 0;
	for (size_t slot = 0; slot < x->n; slot++) {
		if (hole < x->gone.n && x->gone.v[hole] == slot) {
			hole++;
			continue;
		}
		const struct msg_row *row = index_row(x, slot);
		n.messages++;
		n.unseen += !(row->flags & MSG_SEEN);
		n.recent += row->uid > recent_upto;
		n.deleted += !!(row->flags & MSG_DELETED);
		n.size += row->size;
	}
	return n;
}

static struct counts counts_of(const struct mailbox *m)
{
	return (struct counts){m->messages, m->unseen, m->recent, m->deleted, m->size};
}

static bool counts_agree(const struct mailbox *m, const struct counts *n)
{
	return m->messages == n->messages && m->unseen == n->unseen && m->recent == n->recent &&
	       m->deleted == n->deleted && m->size == n->size;
}

/* true when something was wrong. */
static bool recount_mailbox(struct tree *t, struct mailbox *m, const struct index *x)
{
	struct index none;
	index_init(&none, m->id);
	struct counts n = count_rows(x ? x : &none, m->recent_upto);
	bool wrong = !counts_agree(m, &n);
	t->messages = t->messages - m->messages + n.messages;
	t->bytes = t->bytes - m->size + n.size;
	m->messages = n.messages;
	m->unseen = n.unseen;
	m->recent = n.recent;
	m->deleted = n.deleted;
	m->size = n.size;
	if (x && x->n && m->uidnext <= index_row(x, x->n - 1)->uid)
		m->uidnext = index_row(x, x->n - 1)->uid + 1;
	return wrong;
}

static int take_rows(void *arg, const struct record *r)
{
	return apply_to_indexes(arg, r);
}

/* Rows that a checkpoint has are there, whatever became of the log before it. */
static int map_checkpoints(struct account *a, struct hash *indexes)
{
	for (size_t i = 0; i < a->live.boxes.n; i++)
		if (index_map(index_of(indexes, a->live.boxes.v[i]->id), a->dirfd, a->id) < 0)
			return -1;
	return 0;
}

static void recount(struct account *a, struct hash *indexes)
{
	struct log_walk walk = {
		.at = LOG_FIRST,
		.floor = a->live.at,
		.take = take_rows,
		.arg = indexes,
	};
	log_walk(&a->log, &walk);
	a->live.messages = a->live.bytes = 0;
	for (size_t i = 0; i < a->live.boxes.n; i++) {
		struct mailbox *m = a->live.boxes.v[i];
		m->messages = 0;
		m->size = 0;
		recount_mailbox(&a->live, m, hash_find_u32(indexes, m->id));
	}
}

int account_recount(struct account *a)
{
	struct hash *indexes = hash_new();
	int rc = map_checkpoints(a, indexes), cause = errno;
	if (rc == 0)
		recount(a, indexes);
	free_indexes(&indexes);
	errno = cause;
	return rc;
}

static void say_counters(struct checking *c, const struct mailbox *m, const struct counts *was)
{
	say(c,
		"The counters of mailbox %s do not agree with its messages: they say %u messages, "
		"%u unseen, %u recent, %u deleted, %llu octets; there are %u, %u, %u, %u, %llu.",
		m->name, was->messages, was->unseen, was->recent, was->deleted,
		(unsigned long long)was->size, m->messages, m->unseen, m->recent, m->deleted,
		(unsigned long long)m->size);
}

static void check_counters(struct checking *c)
{
	for (size_t i = 0; i < c->tree.boxes.n; i++) {
		struct mailbox *m = c->tree.boxes.v[i];
		struct counts was = counts_of(m);
		if (recount_mailbox(&c->tree, m, hash_find_u32(c->indexes, m->id)))
			say_counters(c, m, &was);
		c->report->messages += m->messages;
	}
}

/* --- checkpoints --- */

static bool rows_agree(const struct index *stored, const struct index *replayed)
{
	size_t hole = 0, at = 0;
	for (size_t slot = 0; slot < replayed->n; slot++) {
		if (hole < replayed->gone.n && replayed->gone.v[hole] == slot) {
			hole++;
			continue;
		}
		if (at >= stored->n || memcmp(index_row(stored, at), index_row(replayed, slot),
					       sizeof(struct msg_row)) != 0)
			return false;
		at++;
	}
	return at == stored->n;
}

/* Brings the stored one to where the replay ended, as a reader would, and without what is gone. */
static int stored_index(struct checking *c, const struct mailbox *m, struct index *x)
{
	index_init(x, m->id);
	int rc = index_map(x, c->a->dirfd, c->a->id);
	c->failed |= rc < 0;
	if (rc <= 0)
		return rc;
	return m->last >= x->at && index_catch_up(x, &c->log, m->last) != 0 ? -1 : 1;
}

/* x without its gone rows, so that it can be compared and kept. */
static void compact(struct index *x)
{
	struct str rows = STR_INIT;
	size_t hole = 0;
	for (size_t slot = 0; slot < x->n; slot++) {
		if (hole < x->gone.n && x->gone.v[hole] == slot)
			hole++;
		else
			str_add(&rows, index_row(x, slot), sizeof(struct msg_row));
	}
	uint32_t mailbox = x->mailbox;
	index_fini(x);
	index_init(x, mailbox);
	size_t n = rows.len / sizeof(struct msg_row);
	index_add_rows(x, (const struct msg_row *)(void *)rows.s, n);
	str_fini(&rows);
}

/* The stored rows take the place of the replayed ones: the log has lost records that they still
 * know. */
static void keep_stored(struct checking *c, struct index *stored)
{
	struct index *replayed = index_of(c->indexes, stored->mailbox);
	index_fini(replayed);
	*replayed = *stored;
	list_init(&replayed->views);
	index_init(stored, stored->mailbox);
}

static void check_rows(struct checking *c, const struct mailbox *m)
{
	char name[32];
	struct index stored;
	index_name(name, m->id);
	bool there = faccessat(c->a->dirfd, name, F_OK, 0) == 0;
	int rc = stored_index(c, m, &stored);
	compact(&stored);
	if (rc > 0 && c->report->log_damaged) {
		keep_stored(c, &stored);
	} else if (there && (rc <= 0 || !rows_agree(&stored, index_of(c->indexes, m->id)))) {
		c->report->checkpoints_bad++;
		say(c, "The checkpoint of mailbox %s does not agree with the log.", m->name);
	}
	index_fini(&stored);
}

static bool trees_agree(const struct tree *a, const struct tree *b)
{
	if (a->boxes.n != b->boxes.n || a->bytes != b->bytes || a->messages != b->messages)
		return false;
	for (size_t i = 0; i < a->boxes.n; i++) {
		const struct mailbox *x = a->boxes.v[i], *y = b->boxes.v[i];
		struct counts n = counts_of(x);
		if (x->id != y->id || x->uidvalidity != y->uidvalidity ||
			x->uidnext != y->uidnext || strcmp(x->name, y->name) != 0 ||
			!counts_agree(y, &n))
			return false;
	}
	return true;
}

static int take_for_tree(void *arg, const struct record *r)
{
	return tree_apply(arg, r);
}

/* The stored tree takes the place of the replayed one: the log has lost what it still knows, mailboxes perhaps. */
static void keep_tree(struct checking *c, struct tree *stored)
{
	struct tree replayed = c->tree;
	c->tree = *stored;
	*stored = replayed;
}

static void check_tree(struct checking *c)
{
	char *bytes;
	size_t n;
	struct tree stored;
	if (os_read_file(c->a->dirfd, "tree", TREE_FILE_MAX, &bytes, &n) < 0) {
		c->failed |= log_is_trouble(errno);
		return; /* none yet */
	}
	tree_init(&stored, true);
	bool good =
		tree_parse(&stored, c->a->id, span_make(bytes, n)) == 0 && stored.at <= c->until;
	if (good) {
		struct log_walk walk = {
			.at = stored.at,
			.sequence = stored.sequence,
			.floor = c->until,
			.take = take_for_tree,
			.arg = &stored,
		};
		good = log_walk(&c->log, &walk) == 0;
	}
	if (good && c->report->log_damaged) {
		keep_tree(c, &stored);
	} else if (!good || !trees_agree(&c->tree, &stored)) {
		c->report->checkpoints_bad++;
		say(c, "The checkpoint of the mailbox tree does not agree with the log.");
	}
	tree_fini(&stored);
	free(bytes);
}

/* --- bodies --- */

static bool body_is_good(int fd, const struct blob_head *head)
{
	unsigned char sum[SHA256_DIGEST_SIZE];
	char block[65536];
	struct sha256_ctx hash;
	uint64_t done = 0;
	bool good = true;
	sha256_init(&hash);
	while (good && done < head->body_size) {
		size_t n = head->body_size - done < sizeof(block) ? (size_t)(head->body_size - done)
								  : sizeof(block);
		good = os_pread_all(fd, block, n, head->body_at + done) == 0;
		if (good)
			sha256_update(&hash, n, (const unsigned char *)block);
		done += n;
	}
	sha256_digest(&hash, sizeof(sum), sum);
	return good && memcmp(sum, head->sha256, sizeof(sum)) == 0;
}

static bool may_read(const struct blob_head *head, const char *id)
{
	struct span rest = head->readers, reader;
	for (uint32_t i = 0; i < head->nreaders; i++) {
		if (blob_reader_next(&rest, &reader) <= 0)
			return false;
		if (span_is(reader, id))
			return true;
	}
	return false;
}

static const char *look_at_blob(
	const struct checking *c, int fd, uint64_t pack, const struct msg_row *row)
{
	char header[PACK_HEADER], last8[8];
	uint32_t salt, size;
	if (os_pread_all(fd, header, sizeof(header), 0) < 0 ||
		pack_parse_header(span_make(header, sizeof(header)), pack, &salt) < 0)
		return "its pack's header is damaged";
	if (row->pack_at < PACK_HEADER + BLOB_HEAD_MIN ||
		os_pread_all(fd, last8, 8, row->pack_at - 8) < 0)
		return "it lies outside its pack";
	size = blob_head_size(span_make(last8, 8));
	if (size < BLOB_HEAD_MIN || size > BLOB_HEAD_MAX || size > row->pack_at - PACK_HEADER)
		return "its head is damaged";
	char *bytes = mem_alloc(size);
	struct blob_head head;
	const char *fault = NULL;
	if (os_pread_all(fd, bytes, size, row->pack_at - size) < 0 ||
		blob_head_parse(span_make(bytes, size), salt, row->pack_at - size, &head) < 0)
		fault = "its head is damaged";
	else if (head.body_size != row->size || !body_is_good(fd, &head))
		fault = "its body does not have its SHA-256";
	else if (!may_read(&head, c->a->id))
		fault = "this account is not among its readers";
	mem_free(&bytes);
	return fault;
}

static const char *look_in_packs(struct checking *c, const struct msg_row *row)
{
	char name[32];
	snprintf(name, sizeof(name), "%016llx", (unsigned long long)row->pack);
	const struct packs *p = &c->a->store->packs;
	for (size_t i = 0; i < p->ndirs; i++) {
		int fd = openat(p->dirs[i], name, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
		if (fd < 0)
			continue;
		const char *fault = look_at_blob(c, fd, row->pack, row);
		close(fd);
		return fault;
	}
	return "its pack is not there";
}

static void check_bodies(struct checking *c, const struct mailbox *m)
{
	const struct index *x = hash_find_u32(c->indexes, m->id);
	for (size_t slot = 0; x && slot < x->n; slot++) {
		if (x->gone.n && index_is_gone(x, slot))
			continue;
		const char *fault = look_in_packs(c, index_row(x, slot));
		if (!fault)
			continue;
		c->report->blobs_bad++;
		say(c, "The message with UID %u of mailbox %s is damaged: %s.",
			index_row(x, slot)->uid, m->name, fault);
	}
}

/* --- rebuilding --- */

static void rebuild_rows(struct checking *c, const struct mailbox *m)
{
	struct index *x = index_of(c->indexes, m->id);
	x->at = c->tree.at;
	if (index_write(x, c->a->dirfd, c->a->id, c->tree.sequence, m->changes, c->a->store->sync) <
		0)
		say(c, "The checkpoint of mailbox %s can't be written.", m->name);
}

static void rebuild(struct checking *c)
{
	struct str bytes = STR_INIT;
	for (size_t i = 0; i < c->tree.boxes.n; i++)
		rebuild_rows(c, c->tree.boxes.v[i]);
	tree_put(&c->tree, c->tree.seen, c->a->id, &bytes);
	struct span body = span_make(bytes.s + CHECKPOINT_HEADER, bytes.len - CHECKPOINT_HEADER);
	if (checkpoint_write(c->a->dirfd, "tree", bytes.s, body, c->a->store->sync) < 0)
		say(c, "The checkpoint of the mailbox tree can't be written.");
	else
		c->report->repaired = true;
	str_fini(&bytes);
}

static int check(void *arg)
{
	struct checking *c = arg;
	if (log_open_all(&c->log) < 0 || walk_log(c) < 0)
		return -1;
	check_tree(c); /* before the counters are set right */
	for (size_t i = 0; i < c->tree.boxes.n; i++)
		check_rows(c, c->tree.boxes.v[i]);
	if (c->failed) /* what they alone know must not be taken for lost */
		return -1;
	check_counters(c);
	for (size_t i = 0; i < c->tree.boxes.n; i++)
		check_bodies(c, c->tree.boxes.v[i]);
	if (c->rebuild)
		rebuild(c);
	return 0;
}

enum store_status account_check(struct store *store, const char *id, bool rebuild_too,
	void (*say_fn)(void *arg, const char *sentence), void *arg, struct check_report *report_r)
{
	*report_r = (struct check_report){0};
	struct account *a;
	enum store_status status = account_open(store, id, false, NULL, &a);
	if (status != STORE_OK)
		return status;
	status = account_commit(a, a->live.at);
	struct checking c = {
		.a = a,
		.pool = pool_new("account check"),
		.indexes = hash_new(),
		.until =
			a->shown.at < head_durable(&a->head) ? a->shown.at : head_durable(&a->head),
		.rebuild = rebuild_too,
		.say = say_fn,
		.arg = arg,
		.report = report_r,
	};
	log_init(&c.log, a->dirfd, a->id);
	c.log.direct = true;
	c.log.limit = c.until;
	log_know(&c.log, a->log.n);
	tree_init(&c.tree, true);
	if (status == STORE_OK && io_call(check, &c) < 0)
		status = STORE_FAILED;
	if (report_r->repaired && c.wrong)
		a->stale = true; /* its next user reads the new checkpoints */
	tree_fini(&c.tree);
	log_fini(&c.log);
	free_indexes(&c.indexes);
	pool_free(&c.pool);
	account_close(&a);
	return status;
}
