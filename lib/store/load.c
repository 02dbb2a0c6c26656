/* From files to memory, and finding the end of a log again (crash argument 4 in format.h). On
 * helper threads at load. */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/log.h"
#include "base/num.h"
#include "os/os.h"
#include "store/account.h"
#include "store/check.h"

#define QUARANTINE_MAX (64u * 1024 * 1024)

/* --- folders --- */

static void folder_name(const char *id, char hh[4])
{
	snprintf(hh, 4, "%02x", os_crc32c(0, id, strlen(id)) & 0xff);
}

static int open_in(int partition, const char *id)
{
	char hh[4], path[ACCOUNT_ID_ROOM + 4];
	folder_name(id, hh);
	snprintf(path, sizeof(path), "%s/%s", hh, id);
	return openat(partition, path, O_RDONLY | O_DIRECTORY | O_CLOEXEC | O_NOFOLLOW);
}

/* Also one that is there is synced: its maker may be about to, or was killed before he came to it. */
static int make_folder(int dirfd, const char *name)
{
	return mkdirat(dirfd, name, 0700) == 0 || errno == EEXIST ? os_sync_dir(dirfd) : -1;
}

static int make_in(int partition, const char *id)
{
	char hh[4];
	folder_name(id, hh);
	if (make_folder(partition, hh) < 0)
		return -1;
	int outer = openat(partition, hh, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	int rc = outer < 0 ? -1 : make_folder(outer, id);
	if (outer >= 0)
		close(outer);
	return rc < 0 ? -1 : open_in(partition, id);
}

static enum store_status fail_folder(const struct account *a)
{
	log_error("The folder of account %s can't be used: %m.", a->id);
	return store_status_of(errno);
}

static enum store_status open_folder(struct account *a, bool create)
{
	const struct store *s = a->store;
	int partition = s->partitions[0].fd;
	a->dirfd = -1;
	uint64_t files = 0;
	for (size_t i = 0; a->dirfd < 0 && i < s->npartitions; i++) {
		a->dirfd = open_in(s->partitions[i].fd, a->id);
		if (a->dirfd >= 0)
			partition = s->partitions[i].fd;
		else if (log_is_trouble(errno)) /* perhaps it is there: made anew it would be empty */
			return fail_folder(a);
	}
	if (a->dirfd < 0 && !create)
		return STORE_NOT_FOUND;
	if (a->dirfd >= 0 && log_count_files(a->dirfd, &files) < 0)
		return fail_folder(a);
	/* Without a log its maker, too, is not done with the folders. */
	if (a->dirfd < 0 || (create && !files)) {
		if (a->dirfd >= 0)
			close(a->dirfd);
		a->dirfd = make_in(partition, a->id);
	}
	/* Not synced: a folder of caches, and a new account's folder is synced when its log is in
	 * it. */
	if (a->dirfd < 0 || (mkdirat(a->dirfd, "index", 0700) < 0 && errno != EEXIST))
		return fail_folder(a);
	return STORE_OK;
}

/* --- the tree --- */

/* One that is there and can't be read now is not one that isn't there: it may know what the log has lost. */
static enum store_status load_tree(struct account *a)
{
	char *bytes;
	size_t n;
	tree_init(&a->live, true);
	if (os_read_file(a->dirfd, "tree", TREE_FILE_MAX, &bytes, &n) < 0) {
		if (!log_is_trouble(errno) || errno == EFBIG)
			return STORE_OK;
		log_error("The checkpoint of account %s can't be read: %m.", a->id);
		return store_status_of(errno);
	}
	if (tree_parse(&a->live, a->id, span_make(bytes, n)) < 0) {
		log_warning(
			"The checkpoint of account %s is damaged; its log is read instead.", a->id);
		tree_fini(&a->live);
		tree_init(&a->live, true);
	}
	free(bytes);
	return STORE_OK;
}

static void drop_pending(struct account *a)
{
	while (!list_is_empty(&a->pending)) {
		struct pending *p = list_entry(a->pending.next, struct pending, link);
		list_remove(&p->link);
		mem_free(&p);
	}
}

static void copy_shown(struct account *a)
{
	drop_pending(a);
	tree_fini(&a->shown);
	tree_init(&a->shown, false);
	tree_copy(&a->shown, &a->live);
}

/* --- recovery --- */

static int take_record(void *arg, const struct record *r)
{
	struct account *a = arg;
	if (!a->loading) {
		account_absorb(a, r, 0);
		return 0;
	}
	if (tree_apply(&a->live, r) < 0)
		log_error("Record %llu of account %s can't be understood in full.",
			(unsigned long long)r->sequence, a->id);
	return 0;
}

static void keep_damage(struct account *a, uint64_t from, uint64_t n)
{
	char name[40];
	struct segment *seg = log_find(&a->log, from);
	snprintf(name, sizeof(name), "damage.%llx", (unsigned long long)from);
	int fd = openat(a->dirfd, name, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
	if (fd < 0 || !seg)
		goto out;
	char *bytes = mem_alloc(n);
	ssize_t got = pread(seg->fd, bytes, n, (off_t)(SEGMENT_HEADER + from - seg->base));
	if (got > 0 && os_write_all(fd, bytes, (size_t)got) < 0)
		log_warning("The damage at %llu of account %s can't be kept: %m.",
			(unsigned long long)from, a->id);
	mem_free(&bytes);
out:
	if (fd >= 0)
		close(fd);
}

static void skip_range(void *arg, uint64_t from, uint64_t to)
{
	struct account *a = arg;
	log_error(
		"The log of account %s is damaged from %llu to %llu; kept as damage.%llx, skipped.",
		a->id, (unsigned long long)from, (unsigned long long)to, (unsigned long long)from);
	keep_damage(a, from, num_min(to - from, QUARANTINE_MAX));
	a->damaged++;
}

/* The position after the last octet of any segment file. */
static uint64_t log_extent(struct account *a)
{
	struct segment *seg = log_find(&a->log, UINT64_MAX / 2);
	struct stat st;
	if (!seg || fstat(seg->fd, &st) < 0 || st.st_size < SEGMENT_HEADER)
		return LOG_FIRST;
	return seg->base + ((uint64_t)st.st_size - SEGMENT_HEADER) / 8 * 8;
}

static uint64_t trusted_floor(struct account *a)
{
	uint64_t floor = head_is_of(&a->head, a->id) ? head_floor(&a->head) : 0;
	if (floor < a->live.at)
		floor = a->live.at;
	uint64_t extent = log_extent(a);
	if (floor <= extent)
		return floor;
	log_error("The log of account %s ends at %llu, but was durable up to %llu.", a->id,
		(unsigned long long)extent, (unsigned long long)floor);
	a->damaged++;
	return a->live.at > extent ? a->live.at : extent;
}

/* A segment whose sync failed is not used again: what of it is past the floor goes to a new one. */
static int leave_failed(struct account *a, uint64_t floor)
{
	if (!head_is_of(&a->head, a->id) || head_failed(&a->head) != a->log.n)
		return 0;
	return account_move_tail(a, floor, a->live.at);
}

/* What was found behind the floor may never have been synced. Rule 8: when that fails, who comes next does not try it
 * again but leaves these segments. */
static int sync_from(struct account *a, uint64_t floor)
{
	struct segment *seg = log_find(&a->log, floor);
	for (uint64_t number = seg ? seg->number : 1; number <= a->log.n; number++) {
		seg = log_segment(&a->log, number);
		if (!seg || a->store->sync(seg->fd) == 0)
			continue;
		int cause = errno;
		if (!head_is_of(&a->head, a->id))
			head_make(&a->head, a->id);
		head_set_failed(&a->head, a->log.n);
		errno = cause;
		return -1;
	}
	return 0;
}

static enum store_status find_end(struct account *a)
{
	struct log_walk walk = {
		.at = a->live.at,
		.sequence = a->live.sequence,
		.chain = a->live.chain,
		.chain_known = true,
		.floor = trusted_floor(a),
		.take = take_record,
		.skip = skip_range,
		.arg = a,
	};
	if (log_walk(&a->log, &walk) < 0) {
		log_error("The log of account %s can't be read: %m.", a->id);
		return STORE_FAILED;
	}
	/* After a skip to the very end no record says so. */
	a->live.at = walk.at;
	a->live.chain = walk.chain;
	uint64_t floor = walk.floor < walk.at ? walk.floor : walk.at;
	if (leave_failed(a, floor) == 0 && log_cut(&a->log, walk.at) == 0 && sync_from(a, floor) == 0)
		return STORE_OK;
	log_error("The end of the log of account %s can't be written: %m.", a->id);
	return store_status_of(errno);
}

/* Without a boot id: the head is good for others when the first record of the epoch has given it
 * one. */
static void adopt_head(struct account *a)
{
	if (!head_is_of(&a->head, a->id))
		head_make(&a->head, a->id);
	struct head_group group = {
		.end = a->live.at,
		.sequence = a->live.sequence,
		.segment = a->log.n,
		.chain = a->live.chain,
	};
	head_reset_durable(&a->head, a->live.at);
	head_set(&a->head, &group);
}

static void put_epoch(struct account *a, struct str *bytes)
{
	size_t at = op_begin(bytes, OP_EPOCH);
	put_cstr(bytes, a->store->boot);
	op_end(bytes, at);
}

static void put_lift(struct str *bytes)
{
	op_end(bytes, op_begin(bytes, OP_LIFT));
}

/* The record that begins an epoch, synced; with a new account also what it starts with. */
static enum store_status begin_epoch(struct account *a)
{
	struct str bytes = STR_INIT;
	uint64_t end = 0;
	bool fresh = !tree_find_name(&a->live, "INBOX");
	account_start_record(&bytes, NULL);
	put_epoch(a, &bytes);
	if (a->damaged)
		put_lift(&bytes);
	if (fresh)
		account_put_defaults(a, &bytes);
	if (a->live.sequence)
		a->live.sequence += EPOCH_LIFT - 1;
	enum store_status status = account_write(a, &bytes, RECORD_FIRM, 0, &end);
	str_fini(&bytes);
	struct segment *seg = log_segment(&a->log, a->log.n);
	if (status != STORE_OK)
		return status;
	if (!seg || a->store->sync(seg->fd) < 0 || os_sync_dir(a->dirfd) < 0) {
		head_set_failed(&a->head, a->log.n);
		return STORE_FAILED;
	}
	head_set_linked(&a->head, a->log.n);
	head_advance(&a->head, end);
	account_settle(a);
	return STORE_OK;
}

static enum store_status find_segments(struct account *a)
{
	uint64_t files;
	bool counted = log_count_files(a->dirfd, &files) == 0;
	log_forget_after(&a->log, 0);
	if (counted)
		log_know(&a->log, files);
	if (!counted || log_open_all(&a->log) < 0) {
		log_error("The log of account %s can't be opened: %m.", a->id);
		return store_status_of(errno);
	}
	if (!files && log_add_segment(&a->log, LOG_FIRST, 0) < 0) {
		log_error("The log of account %s can't be made: %m.", a->id);
		return store_status_of(errno);
	}
	if (log_find(&a->log, UINT64_MAX / 2))
		return STORE_OK;
	/* Not one that can be used: what is there stays, and the log goes on behind it. */
	log_error("No log segment of account %s can be used.", a->id);
	a->damaged++;
	return log_add_segment(&a->log, a->live.at, 0) < 0 ? store_status_of(errno) : STORE_OK;
}

enum store_status account_recover(struct account *a, bool fresh)
{
	if (!fresh)
		log_info("Account %s is recovered.", a->id);
	a->log.limit = UINT64_MAX;
	enum store_status status = find_segments(a);
	if (status == STORE_OK && !fresh)
		status = find_end(a);
	if (status != STORE_OK)
		return status;
	if (a->damaged && a->loading && account_recount(a) < 0) {
		log_error("The checkpoints of account %s can't be read: %m.", a->id);
		return store_status_of(errno);
	}
	adopt_head(a);
	if (a->loading)
		copy_shown(a);
	status = begin_epoch(a);
	if (status == STORE_OK && a->damaged && a->loading)
		account_write_tree(a); /* so that the damage is met once */
	return status;
}

/* --- loading --- */

static void nap(void)
{
	nanosleep(&(struct timespec){.tv_nsec = 500000}, NULL);
}

static bool head_is_good(const struct account *a)
{
	struct head_group group;
	if (!head_is_of(&a->head, a->id))
		return false;
	for (int tries = 0; !head_durable_agrees(&a->head); tries++) {
		if (tries == 5)
			return false;
		nap();
	}
	return head_get(&a->head, &group) && strcmp(group.boot, a->store->boot) == 0;
}

/* Without the lock; nothing is changed. */
static enum store_status replay(struct account *a)
{
	if (!head_is_good(a))
		return STORE_DAMAGED;
	uint64_t durable = head_durable(&a->head); /* before end: it never passes it */
	uint64_t end = head_end(&a->head);
	if (end < a->live.at || durable > end)
		return STORE_DAMAGED;
	log_know(&a->log, head_segment(&a->head));
	a->log.limit = end;
	while (a->live.at < durable) {
		struct record r;
		int rc = log_get(&a->log, a->live.at, &r);
		if (rc < 0) {
			log_error("The log of account %s can't be read: %m.", a->id);
			return store_status_of(errno);
		}
		if (rc == 0 || r.sequence <= a->live.sequence ||
			r.chain != a->live.chain || tree_apply(&a->live, &r) < 0)
			return STORE_DAMAGED;
	}
	copy_shown(a);
	return account_follow(a, end);
}

static int lock_patiently(int fd)
{
	int64_t deadline = clock_mono_ms() + LOCK_MS;
	for (;;) {
		int rc = os_lock_try(fd, true);
		if (rc != 0 || clock_mono_ms() >= deadline)
			return rc;
		nap();
	}
}

static enum store_status load_locked(struct account *a, bool fresh)
{
	int rc = lock_patiently(a->head.fd);
	if (rc <= 0)
		return rc == 0 ? STORE_BUSY : STORE_FAILED;
	enum store_status status = STORE_DAMAGED;
	if (!fresh || head_is_good(a))
		status = replay(a); /* somebody else has just done it */
	if (status == STORE_DAMAGED)
		status = account_recover(a, fresh);
	os_unlock(a->head.fd);
	return status;
}

static void forget_memory(struct account *a)
{
	drop_pending(a);
	tree_fini(&a->live);
	tree_fini(&a->shown);
}

enum store_status account_load(struct account *a, bool create)
{
	a->head.fd = -1;
	list_init(&a->pending);
	tree_init(&a->shown, false);
	tree_init(&a->live, true);
	a->indexes = hash_new();
	enum store_status status = open_folder(a, create);
	log_init(&a->log, a->dirfd, a->id);
	if (status != STORE_OK)
		return status;
	a->log.direct = true;
	uint64_t files;
	if (log_count_files(a->dirfd, &files) < 0)
		return fail_folder(a);
	bool has_log = files > 0;
	if (!has_log && !create)
		return STORE_NOT_FOUND;
	if (head_open(&a->head, a->dirfd, true) < 0) {
		log_error("The head of account %s can't be used: %m.", a->id);
		return store_status_of(errno);
	}
	tree_fini(&a->live);
	status = load_tree(a);
	if (status == STORE_OK)
		status = replay(a);
	if (status == STORE_DAMAGED) {
		forget_memory(a);
		tree_init(&a->shown, false);
		status = load_tree(a);
		if (status == STORE_OK)
			status = load_locked(a, !has_log);
	}
	a->log.direct = false;
	log_drop_window(&a->log);
	return status;
}

void account_unload(struct account *a)
{
	struct span key;
	void *value;
	for (size_t at = 0; hash_next(a->indexes, &at, &key, &value);) {
		struct index *x = value;
		idle_index_take(x);
		index_fini(x);
		mem_free(&x);
	}
	hash_free(&a->indexes);
	forget_memory(a);
	log_fini(&a->log);
	head_close(&a->head);
	if (a->dirfd >= 0)
		close(a->dirfd);
	a->dirfd = -1;
}
