/* Walking the log and finding its end. */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

#include "os/os.h"
#include "store/log.h"

#define STEP (256 * 1024)

static bool continues(const struct log_walk *w, const struct record *r)
{
	return r->sequence > w->sequence && (!w->chain_known || r->chain == w->chain);
}

static int accept(struct log_walk *w, const struct record *r)
{
	w->at = r->at + r->length;
	w->sequence = r->sequence;
	w->chain = r->crc;
	w->chain_known = true;
	w->records++;
	if (r->floor > w->floor)
		w->floor = r->floor;
	return w->take ? w->take(w->arg, r) : 0;
}

/* Looks through one segment's file for whole records from the position on; good(...) decides.
 * Candidates are 8 octets apart and must carry the salt and their own position, so nearly none is
 * looked at twice. */
struct hunt {
	uint64_t sequence; /* later than this */
	uint64_t prove;	   /* nonzero: only one whose floor is past this position will do */
	struct record found;
};

static int hunt_block(
	struct log *log, const struct segment *seg, uint64_t at, struct span block, struct hunt *h)
{
	for (size_t i = 0; i + RECORD_HEADER <= block.n; i += 8) {
		struct record r;
		uint32_t salt;
		memcpy(&salt, block.p + i, 4);
		if (salt != seg->salt ||
			!record_parse_header(
				span_make(block.p + i, RECORD_HEADER), salt, at + i, &r) ||
			r.sequence <= h->sequence || (h->prove && r.floor <= h->prove))
			continue;
		int whole = log_get(log, at + i, &r);
		if (whole) {
			h->found = r;
			return whole;
		}
	}
	return 0;
}

static int hunt_segment(struct log *log, struct segment *seg, uint64_t at, struct hunt *h)
{
	uint64_t end = log_segment_end(log, seg);
	char *block = mem_alloc(STEP);
	int rc = 0;
	while (rc == 0 && at < end) {
		size_t want = end - at < STEP ? (size_t)(end - at) : STEP;
		ssize_t n = pread(seg->fd, block, want, (off_t)(SEGMENT_HEADER + at - seg->base));
		if (n < 0)
			rc = -1;
		if (n < RECORD_HEADER)
			break;
		rc = hunt_block(log, seg, at, span_make(block, (size_t)n), h);
		/* Headers that straddle two blocks are seen whole in the next. */
		at += ((uint64_t)n - RECORD_HEADER) / 8 * 8 + 8;
	}
	mem_free(&block);
	return rc;
}

/* The next whole record after the position, in any segment: 1, 0, -1. */
static int hunt(struct log *log, uint64_t at, struct hunt *h)
{
	struct segment *seg = log_find(log, at);
	uint64_t number = seg ? seg->number : 1;
	int rc = 0;
	for (; rc == 0 && number <= log->n; number++) {
		seg = log_segment(log, number);
		if (seg)
			rc = hunt_segment(log, seg, seg->base > at ? seg->base : at, h);
	}
	return rc;
}

/* Is there proof that what stands at the position was durable once? */
static int was_durable(struct log *log, struct log_walk *w)
{
	if (w->at < w->floor)
		return 1;
	struct hunt h = {.sequence = w->sequence, .prove = w->at};
	int rc = hunt(log, w->at, &h);
	if (rc > 0)
		w->floor = h.found.floor;
	return rc;
}

/* Over a damaged range. 1 go on, 0 nothing whole follows, -1. */
static int skip_damage(struct log *log, struct log_walk *w)
{
	struct hunt h = {.sequence = w->sequence};
	uint64_t from = w->at;
	int rc = hunt(log, from + 8, &h);
	if (rc < 0)
		return -1;
	uint64_t to = rc ? h.found.at : w->floor;
	w->damaged++;
	w->chain_known = false;
	w->at = to;
	if (w->skip)
		w->skip(w->arg, from, to);
	return rc;
}

int log_walk(struct log *log, struct log_walk *w)
{
	for (;;) {
		struct record r;
		int rc = log_get(log, w->at, &r);
		if (rc > 0 && continues(w, &r)) {
			if (accept(w, &r) != 0)
				return -1;
			continue;
		}
		if (rc >= 0)
			rc = was_durable(log, w);
		if (rc > 0)
			rc = skip_damage(log, w);
		if (rc <= 0)
			return rc;
	}
}

static int set_aside(struct log *log, uint64_t number)
{
	char from[32], to[48];
	snprintf(from, sizeof(from), "log.%llu", (unsigned long long)number);
	snprintf(to, sizeof(to), "damage.log.%llu", (unsigned long long)number);
	return renameat(log->dirfd, from, log->dirfd, to);
}

int log_cut(struct log *log, uint64_t at)
{
	struct segment *seg = log_find(log, at);
	if (!seg) {
		errno = EIO;
		return -1;
	}
	for (uint64_t number = log->n; number > seg->number; number--)
		if (set_aside(log, number) < 0)
			return -1;
	if (log->n > seg->number) {
		log_forget_after(log, seg->number);
		if (os_sync_dir(log->dirfd) < 0)
			return -1;
	}
	uint64_t offset = SEGMENT_HEADER + at - seg->base;
	struct stat st;
	if (fstat(seg->fd, &st) < 0)
		return -1;
	if ((uint64_t)st.st_size > offset && ftruncate(seg->fd, (off_t)offset) < 0)
		return -1;
	seg->room = (uint64_t)st.st_size > offset ? offset : (uint64_t)st.st_size;
	log->window.n = 0;
	return 0;
}
