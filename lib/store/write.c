/*
 * Writing: lock, one record, unlock; then, outside the lock, make it durable together with whoever
 * else is waiting for the same.
 */
#include <errno.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/log.h"
#include "base/num.h"
#include "io/io.h"
#include "os/os.h"
#include "store/account.h"

enum store_status store_status_of(int error)
{
	return error == ENOSPC || error == EDQUOT || error == EFBIG ? STORE_DISK_FULL
								    : STORE_FAILED;
}

/* Others hold it for microseconds: first give way, then sleep. */
static enum store_status take_lock(struct account *a, int64_t deadline)
{
	for (unsigned tries = 0;; tries++) {
		int rc = os_lock_try(a->head.fd, true);
		if (rc > 0)
			return STORE_OK;
		if (rc < 0) {
			log_error("The lock of account %s can't be had: %m.", a->id);
			return STORE_FAILED;
		}
		if (clock_mono_ms() >= deadline)
			return STORE_BUSY;
		if (tries < 3)
			fiber_yield();
		else
			io_sleep(1);
	}
}

/* --- healing (format.h, crash argument 6) --- */

/* A stretch of the log that goes to a new segment: the records of one old segment, since they carry its salt. */
struct moved {
	uint64_t base;
	uint32_t salt;
	struct str bytes;
};

struct moving {
	ARRAY(struct moved) v;
};

/* What the page cache still has of the records from..end; what is not whole ends them. */
static uint64_t copy_records(struct account *a, uint64_t from, uint64_t end, struct str *out)
{
	uint64_t at = from;
	while (at < end) {
		struct record r;
		struct span bytes;
		if (log_get(&a->log, at, &r) <= 0 || log_read(&a->log, at, r.length, &bytes) < 0)
			break;
		str_add_span(out, bytes);
		at += r.length;
	}
	return at;
}

/* All before the first new segment is made, because that hides them. */
static int collect_tail(struct account *a, uint64_t from, uint64_t end, struct moving *m)
{
	const struct segment *first = log_find(&a->log, from);
	for (uint64_t number = first ? first->number : UINT64_MAX; number <= a->log.n; number++) {
		const struct segment *seg = log_segment(&a->log, number);
		if (!seg)
			return -1;
		uint64_t low = num_max(from, seg->base), high = num_min(end, log_segment_end(&a->log, seg));
		if (low > high || (low == high && m->v.n))
			continue;
		struct moved *piece = array_add(&m->v);
		*piece = (struct moved){.base = low, .salt = seg->salt};
		if (copy_records(a, low, high, &piece->bytes) != high)
			return -1;
	}
	return m->v.n ? 0 : -1;
}

static int write_moved(struct account *a, const struct moved *piece)
{
	if (log_add_segment(&a->log, piece->base, piece->salt) < 0)
		return -1;
	return piece->bytes.len ? log_write(&a->log, piece->base, str_span(&piece->bytes)) : 0;
}

int account_move_tail(struct account *a, uint64_t from, uint64_t end)
{
	struct moving m = {ARRAY_INIT};
	uint64_t before = a->log.n;
	a->log.window.n = 0;
	errno = EIO;
	int rc = collect_tail(a, from, end, &m);
	for (size_t i = 0; i < m.v.n; i++) {
		if (rc == 0)
			rc = write_moved(a, &m.v.v[i]);
		str_fini(&m.v.v[i].bytes);
	}
	while (rc < 0 && a->log.n > before)
		log_take_back_segment(&a->log);
	array_fini(&m.v);
	return rc;
}

static enum store_status heal(struct account *a, struct head_group *group)
{
	log_error("Segment %llu of account %s can't be synced; its tail is written anew.",
		(unsigned long long)a->log.n, a->id);
	if (account_move_tail(a, head_durable(&a->head), group->end) == 0) {
		group->segment = a->log.n;
		head_set(&a->head, group);
		return STORE_OK;
	}
	/* Nothing of it was answered for, but this process has seen it: it must forget, and who
	 * opens the account next finds out what is left. */
	log_error("The tail of account %s can't be written anew: %m.", a->id);
	enum store_status status = store_status_of(errno);
	head_spoil(&a->head);
	a->stale = true;
	return status;
}

/* --- the lock --- */

static bool group_is_ours(const struct account *a, const struct head_group *group)
{
	return strcmp(group->boot, a->store->boot) == 0;
}

/* Not so when a recovery has cut off what this process saw, and the log happens to end at the same place again: then
 * what would be written here did not continue it. */
static bool is_at_end(const struct account *a, const struct head_group *group)
{
	return a->live.at == group->end && a->live.sequence == group->sequence &&
	       a->live.chain == group->chain;
}

/* With the lock held: memory is made to agree with the files. */
static enum store_status catch_up(struct account *a)
{
	struct head_group group;
	if (!head_get(&a->head, &group) || !group_is_ours(a, &group)) {
		enum store_status status = account_recover(a, false);
		if (status != STORE_OK)
			return status;
		head_get(&a->head, &group);
	}
	head_check_marks(&a->head, group.segment);
	enum store_status status = account_refresh(a);
	if (status == STORE_OK && !is_at_end(a, &group)) {
		log_error("The log of account %s ends otherwise than this process has seen.", a->id);
		a->stale = true;
		status = STORE_FAILED;
	}
	if (status == STORE_OK && head_failed(&a->head) >= group.segment)
		status = heal(a, &group);
	return status;
}

enum store_status account_begin(struct account *a, int64_t deadline)
{
	if (fiber_lock(&a->mutex, deadline) < 0)
		return STORE_BUSY;
	enum store_status status =
		account_refresh(a); /* what is cold is read before the lock is held */
	if (status == STORE_OK)
		status = take_lock(a, deadline);
	if (status == STORE_OK) {
		a->log.direct = true;
		status = catch_up(a);
		if (status == STORE_OK)
			return STORE_OK;
		a->log.direct = false;
		os_unlock(a->head.fd);
	}
	fiber_unlock(&a->mutex);
	return status;
}

void account_end(struct account *a)
{
	a->log.direct = false;
	os_unlock(a->head.fd);
	fiber_unlock(&a->mutex);
}

enum store_status account_begin_rows(struct account *a, uint32_t mailbox, int64_t deadline)
{
	for (;;) {
		enum store_status status = account_begin(a, deadline);
		if (status != STORE_OK || !account_has_conflict(a, mailbox))
			return status;
		uint64_t upto = a->live.at;
		account_end(a);
		status = account_commit(a, upto);
		if (status != STORE_OK)
			return status;
		if (clock_mono_ms() >= deadline)
			return STORE_BUSY;
	}
}

void account_start_record(struct str *bytes, const char *trace)
{
	struct log_context *ctx = log_context_swap(NULL);
	log_context_swap(ctx);
	record_start(bytes, ctx ? ctx->session : NULL, trace ? trace : ctx ? ctx->trace : NULL);
}

/* --- one record --- */

static int segment_for(struct account *a, uint64_t at)
{
	struct segment *seg = log_segment(&a->log, a->log.n);
	if (seg && at - seg->base < a->store->conf.log_segment_size)
		return 0;
	return log_add_segment(&a->log, at, 0);
}

enum store_status account_write(struct account *a, struct str *bytes, enum record_class class,
	uint64_t origin, uint64_t *end_r)
{
	struct record r = {
		.at = a->live.at,
		.sequence = a->live.sequence + 1,
		.floor = head_durable(&a->head),
		.time_us = clock_wall_us(),
		.chain = a->live.chain,
		.class = (uint8_t) class,
	};
	if (bytes->len + 8 > RECORD_MAX)
		return STORE_TOO_MANY;
	uint64_t before = a->log.n;
	if (segment_for(a, r.at) < 0)
		return store_status_of(errno);
	struct segment *seg = log_segment(&a->log, a->log.n);
	if (!seg)
		return STORE_DAMAGED;
	record_finish(bytes, seg->salt, &r);
	if (log_write(&a->log, r.at, str_span(bytes)) < 0) {
		log_error("The log of account %s can't be written: %m.", a->id);
		if (a->log.n > before) /* else head would lag behind what this process knows */
			log_take_back_segment(&a->log);
		return store_status_of(errno);
	}
	struct head_group group = {
		.end = r.at + r.length,
		.sequence = r.sequence,
		.segment = a->log.n,
		.chain = r.crc,
	};
	memcpy(group.boot, a->store->boot, sizeof(group.boot));
	head_set(&a->head, &group);
	a->log.limit = group.end;
	record_parse(str_span(bytes), seg->salt, r.at, &r);
	account_absorb(a, &r, origin);
	*end_r = group.end;
	return STORE_OK;
}

/* --- durability --- */

static int sync_folder(void *arg)
{
	return os_sync_dir(*(int *)arg);
}

/* Everything from `from` on in all segments, and the segments' names. On failure the segment is
 * marked for all processes before anybody hears of it. */
static int sync_log(struct account *a, uint64_t from)
{
	uint64_t current = a->log.n;
	struct segment *seg = log_find(&a->log, from);
	for (uint64_t number = seg ? seg->number : 1; number <= current; number++) {
		seg = log_segment(&a->log, number);
		if (!seg)
			return -1;
		if (!seg->commit)
			seg->commit = commit_new(seg->fd, a->store->sync);
		log_hold_segment(seg);
		int rc = commit_wait(seg->commit);
		log_release_segment(seg);
		if (rc < 0) {
			head_set_failed(&a->head, current);
			return -1;
		}
	}
	if (head_linked(&a->head) < current) {
		if (io_call(sync_folder, &a->dirfd) < 0)
			return -1;
		head_set_linked(&a->head, current);
	}
	return 0;
}

static enum store_status sync_once(struct account *a)
{
	uint64_t target = a->live.at, segment = a->log.n;
	if (head_failed(&a->head) >= segment || sync_log(a, head_durable(&a->head)) < 0 ||
		head_failed(&a->head) >= segment)
		return STORE_FAILED;
	head_advance(&a->head, target);
	head_notify(&a->head);
	account_settle(a);
	return STORE_OK;
}

/* begin heals what failed; a second failure is the caller's to report. */
static enum store_status heal_and_sync(struct account *a)
{
	enum store_status status = account_begin(a, clock_mono_ms() + LOCK_MS);
	if (status != STORE_OK)
		return STORE_FAILED;
	account_end(a);
	return sync_once(a);
}

enum store_status account_commit(struct account *a, uint64_t upto)
{
	if (head_durable(&a->head) >= upto) {
		account_settle(a);
		return STORE_OK;
	}
	enum store_status status = sync_once(a);
	if (status != STORE_OK)
		status = heal_and_sync(a);
	if (status != STORE_OK)
		a->stale = true;
	return status;
}
