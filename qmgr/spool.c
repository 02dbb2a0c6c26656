#include "qmgr/spool.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/log.h"
#include "mail/envelope.h"
#include "os/os.h"
#include "qmgr/agents.h"
#include "qmgr/dispatch.h"
#include "qmgr/ledger.h"
#include "qmgr/load.h"
#include "qmgr/message.h"

/* A file without header may be a segment whose writer is about to begin; after this it is nobody's.
 * */
#define HEADERLESS_AGE_S 3600
#define BLOCK		 (64 * 1024)

struct spool {
	struct qmgr *q;
	int dirfd;
	struct list segments;
	struct hash *by_id;
	struct fiber_cond work;
	int64_t look_at; /* when to look at folder, owners and tails again; monotonic */
	bool kicked;
	bool known; /* all that was there at the start was looked at, as far as memory allowed */
	uint64_t told, followed; /* announcements; how many of them came before the last look began */
	struct fiber_cond became_known;
};

struct list *spool_segments(struct spool *s)
{
	return &s->segments;
}

struct segment *spool_find(struct spool *s, uint64_t id)
{
	return hash_find(s->by_id, hash_key_u64(&id));
}

void spool_kick(struct spool *s)
{
	s->kicked = true;
	fiber_wake_all(&s->work);
}

void spool_check(struct spool *s)
{
	s->look_at = 0;
	spool_kick(s);
}

uint64_t segment_position(const struct segment *s)
{
	uint64_t at = list_is_empty(&s->unsettled)
			      ? s->scanned
			      : list_entry(s->unsettled.next, struct message, in_segment)->at;
	if (s->broken_at && s->broken_at < at)
		at = s->broken_at;
	return s->passed_at && s->passed_at < at ? s->passed_at : at;
}

/* --- one segment --- */

/* 0; -1 with errno. */
static int try_to_open(struct segment *s)
{
	char name[SEGMENT_NAME_LEN + 1];
	segment_name(s->id, name);
	if (s->fd < 0)
		s->fd = openat(s->spool->dirfd, name, O_RDWR | O_CLOEXEC | O_NOFOLLOW);
	return s->fd < 0 || segment_reader_open(s->fd, s->id, &s->reader) < 0 ? -1 : 0;
}

/* What can't be opened or read now is tried again, and meanwhile nothing of it is given up: it may be the moment (no
 * descriptors left) or the medium. */
static void open_reader(struct segment *s)
{
	if (s->reader)
		return;
	int error = try_to_open(s) < 0 ? errno : 0;
	if (error && error != s->trouble && error != ENOENT)
		log_error("spool: segment %016" PRIx64 " can't be opened: %s", s->id, strerror(error));
	s->trouble = error;
}

static void segment_free(struct segment *s)
{
	segment_reader_close(&s->reader);
	if (s->fd >= 0)
		close(s->fd);
	if (s->shared_fd >= 0)
		close(s->shared_fd);
	array_fini(&s->stamps.pending);
	mem_free(&s);
}

static void segment_add(struct spool *sp, uint64_t id, bool old)
{
	struct segment *s = mem_new(struct segment);
	*s = (struct segment){.q = sp->q,
		.spool = sp,
		.id = id,
		.fd = -1,
		.shared_fd = -1,
		.old = old,
		.scanned = SEGMENT_START};
	list_init(&s->unsettled);
	if (ledger_segment(sp->q->ledger, id, &s->saved, &s->own) && s->saved > s->scanned)
		s->scanned = s->saved;
	open_reader(s);
	if (s->trouble == ENOENT) {
		segment_free(s);
		return;
	}
	list_add_tail(&sp->segments, &s->link);
	hash_set(sp->by_id, hash_key_u64(&s->id), s);
}

int segment_shared(struct segment *s)
{
	char name[SEGMENT_NAME_LEN + 1];
	segment_name(s->id, name);
	if (s->shared_fd < 0)
		s->shared_fd = openat(s->spool->dirfd, name, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
	return s->shared_fd;
}

enum segment_found spool_read(
	struct segment *s, uint64_t at, struct str *envelope, struct segment_record *rec_r)
{
	open_reader(s);
	if (!s->reader)
		return s->trouble ? SEGMENT_ERROR : SEGMENT_TAIL;
	return segment_read_at(s->reader, at, envelope, rec_r);
}

/* --- children in our own segments --- */

/* 1 when the record was made out of another message. */
static int parent_of(const struct segment_record *rec, struct pool *pool, const char **parent_r,
	const char **step_r)
{
	struct envelope env;
	if (envelope_parse(rec->envelope, pool, &env) < 0)
		return 0;
	*parent_r = envelope_attribute(&env, ATTRIBUTE_PARENT);
	*step_r = envelope_attribute(&env, ATTRIBUTE_STEP);
	return *parent_r && *step_r;
}

/* Before any agent gets work: what an earlier qmgr had made and not yet entered. Its parent counts on it from then on, so it
 * has to be durable: that qmgr may have been killed before its sync. */
static void enter_children(struct segment *s)
{
	struct segment_record rec;
	if (!s->reader || segment_sync(s) < 0)
		return;
	struct pool *pool = pool_new("children");
	uint64_t lost = 0, at = s->scanned;
	while (segment_read(s->reader, at, true, &rec, &lost) == SEGMENT_FOUND) {
		const char *parent, *step;
		if (parent_of(&rec, pool, &parent, &step))
			ledger_add_child(s->q->ledger, parent, step);
		pool_reset(pool);
		at = rec.next;
	}
	pool_free(&pool);
}

int spool_own_segment(void *arg, uint64_t *id_r, const char **err_r)
{
	struct qmgr *q = arg;
	int fd = segment_create(q->spool->dirfd, 0600, id_r, err_r);
	if (fd < 0)
		return -1;
	if (ledger_add_own_segment(q->ledger, *id_r) < 0) {
		*err_r = "The queue database failed.";
		close(fd);
		return -1;
	}
	return fd;
}

/* --- scanning --- */

/* In a segment that was there when we started, a record may have a row, or had one a moment ago:
 * then its stamp is perhaps newer than what was read ahead. */
static bool is_known(struct segment *s, const struct segment_record *rec)
{
	struct qmgr *q = s->q;
	struct str envelope = STR_INIT;
	struct segment_record now = {0};
	bool known = load_is_blocked(q->loader, s->id, rec->at) ||
		     message_find(q, s->id, rec->at) || ledger_has_row(q->ledger, s->id, rec->at) ||
		     load_is_blocked(q->loader, s->id, rec->at) || message_find(q, s->id, rec->at);
	if (!known && spool_read(s, rec->at, &envelope, &now) == SEGMENT_FOUND)
		known = now.done;
	str_fini(&envelope);
	return known;
}

/* The position is that of the first. */
static void put_in_order(struct segment *s, struct message *m)
{
	struct list *before = m->in_segment.prev;
	while (before != &s->unsettled && list_entry(before, struct message, in_segment)->at > m->at)
		before = before->prev;
	if (before == m->in_segment.prev)
		return;
	list_remove(&m->in_segment);
	list_add_after(before, &m->in_segment);
}

/* A stamp that is not ours is made anew: whoever made it may have been killed before a sync, or after one that failed. */
static void take_record(struct segment *s, const struct segment_record *rec)
{
	if (rec->done && s->old)
		segment_stamp(s, &(struct stamp){.at = rec->at});
	if (rec->done || (s->old && is_known(s, rec)))
		return;
	message_take(s->q, s, rec);
	struct message *m = s->old ? message_find(s->q, s->id, rec->at) : NULL;
	if (m && !list_is_empty(&m->in_segment))
		put_in_order(s, m);
	if (s->broken && !s->broken_at)
		s->broken_at = rec->at;
}

static void end_scan(struct segment *s, uint64_t lost)
{
	s->ended = true;
	if (lost)
		log_error("spool: segment %016" PRIx64 " has %" PRIu64 " octets that are no whole "
			  "record; they were passed over",
			s->id, lost);
}

/* Nothing has changed at that place for damage_wait. */
static bool has_stalled_at(struct segment *s, uint64_t at)
{
	int64_t now = clock_mono_ms();
	if (s->stalled_at != at) {
		s->stalled_at = at;
		s->stalled_since = now;
	}
	return now - s->stalled_since > s->q->conf->damage_wait;
}

/* True when what comes behind the record should not wait for it any longer: announced, or before one that is, and not
 * whole for so long it is damaged, though its owner lives. Or he was stopped while he wrote it: so it is looked at
 * again when he announces it after all, and when he is gone. */
static bool has_stalled(struct segment *s)
{
	return !s->closed && s->scanned < s->limit && has_stalled_at(s, s->scanned);
}

static void pass_damage(struct segment *s)
{
	struct segment_record rec;
	uint64_t lost = 0;
	if (segment_read(s->reader, s->scanned, true, &rec, &lost) != SEGMENT_FOUND)
		return;
	log_error("spool: a record in segment %016" PRIx64 " at %" PRIu64
		  " is damaged and passed over",
		s->id, s->scanned);
	if (!s->passed_at)
		s->passed_at = s->scanned;
	s->scanned = rec.at;
}

/* From there on as after a start: what is known already is told apart. */
static void rewind_scan(struct segment *s)
{
	s->rewind = false;
	if (!s->passed_at)
		return;
	s->scanned = s->passed_at;
	s->passed_at = 0;
	s->old = true;
}

/* True when the end is not the end yet. */
static bool has_passed(struct segment *s)
{
	if (!s->passed_at)
		return false;
	s->closed = true; /* nothing more is written */
	rewind_scan(s);
	return true;
}

static void scan_segment(struct segment *s)
{
	struct segment_record rec;
	uint64_t lost = 0;
	open_reader(s);
	if (s->rewind)
		rewind_scan(s);
	while (s->reader && !s->ended && qmgr_has_room(s->q)) {
		segment_reader_limit(s->reader, s->closed ? UINT64_MAX : s->limit);
		enum segment_found found =
			segment_read(s->reader, s->scanned, s->closed, &rec, &lost);
		if (found == SEGMENT_FOUND) {
			take_record(s, &rec);
			s->scanned = rec.next;
		} else if (found == SEGMENT_SEALED || (found == SEGMENT_TAIL && s->closed)) {
			if (!has_passed(s))
				end_scan(s, lost);
		} else {
			if (found == SEGMENT_ERROR)
				log_error("spool: segment %016" PRIx64 " can't be read: %m", s->id);
			else if (has_stalled(s))
				pass_damage(s);
			return;
		}
		fiber_breathe();
	}
}

/* --- looking around, every few seconds --- */

/* 0; -1 with errno, and some were not seen. */
static int look_at_folder(struct spool *sp, bool old)
{
	int copy = openat(sp->dirfd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	DIR *dir = copy < 0 ? NULL : fdopendir(copy);
	uint64_t id;
	errno = dir ? 0 : errno;
	for (struct dirent *d; dir && (d = readdir(dir)); errno = 0)
		if (segment_name_parse(d->d_name, &id) && !spool_find(sp, id))
			segment_add(sp, id, old);
	int error = errno;
	if (dir)
		closedir(dir);
	else if (copy >= 0)
		close(copy);
	errno = error;
	return error ? -1 : 0;
}

static bool is_abandoned(struct segment *s)
{
	struct stat st;
	if (!s->reader &&
		(fstat(s->fd, &st) < 0 || clock_wall_s() - st.st_ctime < HEADERLESS_AGE_S))
		return false;
	return os_lock_try(s->fd, true) == 1;
}

/* 1 anything but zeros, 0 nothing, -1. */
static int do_look_for_content(void *arg)
{
	static const char zeros[BLOCK];
	char block[BLOCK];
	uint64_t at = 0;
	for (ssize_t n; (n = pread(*(int *)arg, block, sizeof(block), (off_t)at)) != 0; at += (uint64_t)n)
		if (n < 0 || memcmp(block, zeros, (size_t)n) != 0)
			return n < 0 ? -1 : 1;
	return 0;
}

/* Nobody's, and no header: its writer never began, or its beginning is damaged, and with it what tells records from
 * mail that contains their image. That is for a person to look at. */
static void close_headerless(struct segment *s)
{
	s->active++; /* so that it stays while we read */
	int content = io_call(do_look_for_content, &s->fd);
	s->active--;
	if (content < 0)
		return;
	if (content && !s->broken)
		log_error("spool: segment %016" PRIx64 " has no header that can be read; it is kept", s->id);
	s->broken |= content;
	s->closed = s->ended = true;
}

/* Where the records end that are whole now, others before them perhaps not. The file goes on: space is filled ahead. */
static uint64_t end_of_records(struct segment *s)
{
	struct segment_record rec;
	struct stat st;
	uint64_t end = s->scanned, lost = 0;
	enum segment_found found;
	segment_reader_limit(s->reader, UINT64_MAX);
	while ((found = segment_read(s->reader, end, false, &rec, &lost)) == SEGMENT_FOUND ||
		(found == SEGMENT_TAIL &&
			segment_read(s->reader, end, true, &rec, &lost) == SEGMENT_FOUND))
		end = rec.next;
	if (found == SEGMENT_SEALED && fstat(s->fd, &st) == 0)
		end = (uint64_t)st.st_size; /* nothing more is written */
	return end;
}

/* Records that nobody announced are synced by us before they count, and those that come meanwhile do not. Where that is not
 * possible their owner hears of it at his next sync, too, and leaves; if he writes no more they are what he acknowledged. */
static void look_at_tail(struct segment *s)
{
	if (!s->reader || s->scanned < s->limit)
		return;
	uint64_t end = end_of_records(s);
	if (end <= s->limit || end <= s->scanned)
		return;
	if ((segment_sync(s) == 0 || has_stalled_at(s, end)) && end > s->limit)
		s->limit = end;
}

static void look_at_segment(struct segment *s)
{
	open_reader(s);
	if (s->ended || s->closed || s->trouble)
		return;
	if (!is_abandoned(s))
		look_at_tail(s);
	else if (!s->reader)
		close_headerless(s);
	else {
		segment_sync(s); /* if that fails: what was acknowledged its owner has synced */
		s->closed = true;
	}
}

/* --- removal --- */

/* Its stamps are synced: else a power cut could bring its name back without them. */
static bool is_finished(const struct segment *s)
{
	return s->ended && !s->active && !s->rows && !s->broken && !segment_has_stamps(s) && list_is_empty(&s->unsettled);
}

static int do_sync_folder(void *arg)
{
	return os_sync_dir(*(int *)arg);
}

/* Until its name is durably gone a power cut may bring it back: its position is forgotten after that. */
static void remove_segment(struct segment *s)
{
	struct spool *sp = s->spool;
	uint64_t id = s->id;
	char name[SEGMENT_NAME_LEN + 1];
	/* A sealed one may still be open at its writer, which does nothing but close it. */
	segment_name(id, name);
	if (unlinkat(sp->dirfd, name, 0) < 0 && errno != ENOENT) {
		log_error("spool: segment %s can't be removed: %m", name);
		return;
	}
	log_debug("segment %s is done and removed", name);
	agents_forget_segment(sp->q->dispatch, id);
	hash_remove(sp->by_id, hash_key_u64(&id));
	list_remove(&s->link);
	segment_free(s);
	if (io_call(do_sync_folder, &sp->dirfd) == 0)
		ledger_forget_segment(sp->q->ledger, id);
	else
		log_error("spool: the folder of segments can't be synced: %m");
}

/* --- the scanner --- */

static void look_around(struct spool *sp)
{
	sp->look_at = clock_mono_ms() + sp->q->conf->scan_interval;
	if (look_at_folder(sp, false) < 0)
		log_error("spool: the folder of segments can't be read: %m");
	list_each (l, &sp->segments)
		look_at_segment(list_entry(l, struct segment, link));
}

/* Only this fiber adds to the list, but for announcements at its end, and only it removes: so the
 * walk may wait. */
static void scanner(void *arg)
{
	struct spool *sp = arg;
	for (;;) {
		uint64_t told = sp->told;
		sp->kicked = false;
		if (clock_mono_ms() >= sp->look_at)
			look_around(sp);
		for (struct list *l = sp->segments.next, *next; l != &sp->segments; l = next) {
			struct segment *s = list_entry(l, struct segment, link);
			scan_segment(s);
			next = l->next;
			if (is_finished(s))
				remove_segment(s);
		}
		if (!qmgr_has_room(sp->q))
			dispatch_park_overflow(sp->q->dispatch);
		sp->known = true;
		sp->followed = told;
		fiber_wake_all(&sp->became_known);
		if (!sp->kicked)
			fiber_wait(&sp->work, sp->look_at);
	}
}

void spool_announce(struct spool *sp, uint64_t id, uint64_t at, uint64_t end)
{
	struct segment *s = spool_find(sp, id);
	sp->told++;
	if (!s) {
		spool_check(sp); /* the scanner finds it, and its tail */
		return;
	}
	if (end > s->limit)
		s->limit = end;
	s->rewind |= s->passed_at && at >= s->passed_at && at < s->scanned;
	spool_kick(sp);
}

int spool_open(struct qmgr *q, const char **err_r)
{
	const char *path =
		pool_printf(q->svc->pool, "%s/" SEGMENT_FOLDER, q->svc->common->queue_dir);
	struct spool *sp = q->spool = mem_new(struct spool);
	*sp = (struct spool){.q = q, .by_id = hash_new()};
	list_init(&sp->segments);
	sp->dirfd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (sp->dirfd < 0) {
		*err_r = pool_printf(q->svc->pool, "The folder %s can't be opened: %m.", path);
		return -1;
	}
	/* Rows of segments that are not seen now would be closed. */
	if (look_at_folder(sp, true) < 0) {
		*err_r = pool_printf(q->svc->pool, "The folder %s can't be read: %s.", path, strerror(errno));
		return -1;
	}
	list_each (l, &sp->segments) {
		struct segment *s = list_entry(l, struct segment, link);
		if (s->own)
			enter_children(s);
	}
	return 0;
}

void spool_wait_until_known(struct spool *sp, int64_t deadline)
{
	uint64_t told = sp->told;
	while ((!sp->known || sp->followed < told) && fiber_wait(&sp->became_known, deadline) == 0)
		;
}

void spool_start(struct spool *sp)
{
	fiber_start("scanner", scanner, sp);
}
