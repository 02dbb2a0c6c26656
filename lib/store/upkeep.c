/*
 * What an open account needs beside its log: rows of mailboxes in memory, checkpoints when the tail
 * has grown, and the sync of lazy records. Long parts run on helper threads over a log handle of
 * their own.
 */
#include <errno.h>
#include <fcntl.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/log.h"
#include "io/io.h"
#include "store/account.h"
#include "store/checkpoint.h"

/* --- lazy sync (rule 13) --- */

static void sync_lazy(void *arg)
{
	struct account *a = arg;
	if (!a->stale && account_commit(a, a->live.at) != STORE_OK)
		log_error("Flag changes of account %s can't be synced.", a->id);
	account_release(a);
}

static void lazy_due(void *arg)
{
	struct account *a = arg;
	loop_timer_remove(&a->lazy_timer);
	if (a->stale || head_durable(&a->head) >= a->live.at)
		return;
	account_hold(a);
	fiber_start("flag sync", sync_lazy, a);
}

void account_watch_tail(struct account *a)
{
	if (!a->lazy_timer && head_durable(&a->head) < a->live.at)
		a->lazy_timer = loop_timer_add(a->store->conf.flag_sync_ms, lazy_due, a);
}

void account_flags_written(struct account *a)
{
	head_notify(&a->head);
	if (a->unsynced >= UNSYNCED_MAX)
		account_commit(a, a->live.at);
	else
		account_watch_tail(a);
}

/* --- rows --- */

struct rows_job {
	struct account *a; /* id, dirfd, store are read; nothing else */
	struct index *index;
	uint64_t segment, limit, last;
	/* for a checkpoint */
	uint64_t at, sequence, changes, due;
	uint64_t found_changes;
	bool written;
};

static int take_for_index(void *arg, const struct record *r)
{
	struct index *x = arg;
	return index_apply(x, r, 0);
}

/* A link of the chain is lost: every record behind the index is looked at. */
static int walk_for_index(struct index *x, struct log *log)
{
	struct log_walk walk = {
		.at = x->at,
		.floor = log->limit,
		.take = take_for_index,
		.arg = x,
	};
	return log_walk(log, &walk);
}

static int fill_index(struct rows_job *job)
{
	struct account *a = job->a;
	struct log log;
	log_init(&log, a->dirfd, a->id);
	log.direct = true;
	log.limit = job->limit;
	log_know(&log, job->segment);
	int rc = index_catch_up(job->index, &log, job->last);
	if (rc > 0) {
		log_error("The chain of mailbox %x of account %s is broken; its whole log is read.",
			job->index->mailbox, a->id);
		rc = walk_for_index(job->index, &log);
	}
	log_fini(&log);
	return rc;
}

static int load_rows(void *arg)
{
	struct rows_job *job = arg;
	if (index_map(job->index, job->a->dirfd, job->a->id) < 0)
		return -1;
	errno = 0; /* damage has none */
	return job->last >= job->index->at ? fill_index(job) : 0;
}

static struct rows_job rows_job_of(
	struct account *a, struct index *x, const struct mailbox *m, uint64_t due)
{
	return (struct rows_job){
		.a = a,
		.index = x,
		.segment = a->log.n,
		.limit = a->shown.at,
		.last = m->last,
		.at = a->shown.at,
		.sequence = a->shown.sequence,
		.changes = m->changes,
		.due = due,
	};
}

static void index_free(struct index **x)
{
	index_fini(*x);
	mem_free(x);
}

/* Loaded as of some moment; then what came meanwhile, until nothing has. */
static enum store_status load_index(struct account *a, const struct mailbox *m, struct index *x)
{
	struct rows_job job = rows_job_of(a, x, m, 0);
	uint32_t id = m->id;
	if (io_call(load_rows, &job) < 0)
		return log_is_trouble(errno) ? STORE_FAILED : STORE_DAMAGED;
	while ((m = tree_find(&a->shown, id)) && m->last >= x->at) {
		a->log.limit = a->live.at;
		if (index_catch_up(x, &a->log, m->last) != 0)
			return STORE_DAMAGED;
	}
	if (!m)
		return STORE_NOT_FOUND;
	x->at = a->shown.at;
	return STORE_OK;
}

enum store_status account_index(struct account *a, uint32_t mailbox, struct index **index_r)
{
	struct index *x = hash_find_u32(a->indexes, mailbox);
	const struct mailbox *m = tree_find(&a->shown, mailbox);
	if (!m)
		return STORE_NOT_FOUND;
	if (!x) {
		x = mem_new(struct index);
		index_init(x, mailbox);
		enum store_status status = load_index(a, m, x);
		struct index *other = hash_find_u32(a->indexes, mailbox);
		if (status != STORE_OK || other) {
			if (status != STORE_OK)
				log_error(
					"Mailbox %x of account %s can't be read.", mailbox, a->id);
			index_free(&x);
			if (!other)
				return status;
			x = other; /* another fiber was faster */
		} else {
			hash_set(a->indexes, span_make(&mailbox, sizeof(mailbox)), x);
		}
	}
	idle_index_take(x);
	if (index_is_bad(x)) {
		account_index_unused(a, x);
		return STORE_DAMAGED;
	}
	*index_r = x;
	return STORE_OK;
}

/* --- checkpoints --- */

static uint64_t stored_changes(const struct rows_job *job)
{
	char name[32], header[CHECKPOINT_HEADER];
	struct checkpoint c;
	index_name(name, job->index->mailbox);
	int fd = openat(job->a->dirfd, name, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
	ssize_t n = fd < 0 ? -1 : pread(fd, header, sizeof(header), 0);
	if (fd >= 0)
		close(fd);
	bool good = n == sizeof(header) && checkpoint_parse(&c, INDEX_MAGIC, job->a->id,
						   span_make(header, sizeof(header))) == 0;
	return good ? c.changes : 0;
}

static int write_rows(void *arg)
{
	struct rows_job *job = arg;
	job->found_changes = stored_changes(job);
	if (job->changes < job->found_changes + job->due)
		return 0; /* somebody else has done it */
	if (load_rows(job) < 0)
		return -1;
	job->index->at = job->at;
	job->written = true;
	job->found_changes = job->changes;
	return index_write(job->index, job->a->dirfd, job->a->id, job->sequence, job->changes,
		job->a->store->sync);
}

/* How many row changes behind a mailbox's checkpoint make a new one worth it. */
typedef uint64_t (*due_fn)(uint32_t messages);

/* When nobody looks at it any more: who opens it next, in this process or another, need not read much behind it. */
static uint64_t due_at_rest(uint32_t messages)
{
	return messages / 64 < 256 ? 256 : messages / 64;
}

/* Rule 15: at most what is durable. */
static bool shown_is_durable(struct account *a)
{
	for (int tries = 0; tries < 3; tries++) {
		if (head_durable(&a->head) >= a->shown.at)
			return true;
		if (account_commit(a, a->live.at) != STORE_OK)
			return false;
	}
	return false;
}

static void checkpoint_rows(struct account *a, uint32_t mailbox, due_fn due)
{
	const struct mailbox *m;
	if (!shown_is_durable(a) || !(m = tree_find(&a->shown, mailbox)))
		return;
	struct index x;
	index_init(&x, mailbox);
	struct rows_job job = rows_job_of(a, &x, m, due(m->messages));
	if (io_call(write_rows, &job) < 0)
		log_warning("Mailbox %x of account %s can't be checkpointed: %m.", mailbox, a->id);
	struct mailbox *live = tree_find(&a->live, mailbox);
	if (live)
		live->checkpointed = job.found_changes;
	index_fini(&x);
}

struct tree_job {
	struct account *a;
	struct str bytes;
};

static int write_tree(void *arg)
{
	struct tree_job *job = arg;
	struct span body =
		span_make(job->bytes.s + CHECKPOINT_HEADER, job->bytes.len - CHECKPOINT_HEADER);
	return checkpoint_write(job->a->dirfd, "tree", job->bytes.s, body, job->a->store->sync);
}

int account_write_tree(struct account *a)
{
	struct tree_job job = {.a = a};
	tree_put(&a->shown, a->live.seen, a->id, &job.bytes);
	a->live.added = a->shown.added = 0;
	int rc = io_call(write_tree, &job);
	if (rc < 0)
		log_warning("Account %s can't be checkpointed: %m.", a->id);
	str_fini(&job.bytes);
	return rc;
}

/* Octets of log behind the tree's checkpoint: what opening the account has to read. */
#define TREE_DUE     (256 * 1024)
#define TREE_PER_BOX 1024

static bool tree_is_due(const struct account *a)
{
	return a->live.added > TREE_DUE + (uint64_t)a->live.boxes.n * TREE_PER_BOX;
}

static bool rows_are_due(const struct account *a, uint32_t mailbox, due_fn due)
{
	const struct mailbox *m = mailbox ? tree_find(&a->live, mailbox) : NULL;
	return m && m->changes >= m->checkpointed + due(m->messages);
}

struct upkeep {
	struct account *a;
	uint32_t mailbox;
	due_fn due;
};

static void do_upkeep(void *arg)
{
	struct upkeep *u = arg;
	struct account *a = u->a;
	if (rows_are_due(a, u->mailbox, u->due))
		checkpoint_rows(a, u->mailbox, u->due);
	if (tree_is_due(a) && shown_is_durable(a))
		account_write_tree(a);
	a->upkeep = false;
	mem_free(&u);
	account_release(a);
}

static void keep_up(struct account *a, uint32_t mailbox, due_fn due)
{
	if (a->upkeep || a->stale || (!tree_is_due(a) && !rows_are_due(a, mailbox, due)))
		return;
	struct upkeep *u = mem_new(struct upkeep);
	*u = (struct upkeep){.a = a, .mailbox = mailbox, .due = due};
	a->upkeep = true;
	account_hold(a);
	if (fiber_self())
		fiber_start("checkpoint", do_upkeep, u);
	else
		do_upkeep(u);
}

void account_upkeep(struct account *a, uint32_t mailbox)
{
	keep_up(a, mailbox, index_due);
}

void account_index_unused(struct account *a, struct index *x)
{
	uint32_t mailbox = x->mailbox;
	if (!list_is_empty(&x->views))
		return;
	idle_index_put(a, x);
	keep_up(a, mailbox, due_at_rest);
}
