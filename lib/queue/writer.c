#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/log.h"
#include "base/num.h"
#include "io/commit.h"
#include "io/io.h"
#include "os/os.h"
#include "queue/record.h"

/* Space is filled with zeros by this much at a time: a sync of overwritten blocks is twice as fast
 * as one of appended or merely allocated ones. */
#define ZERO_AHEAD (512u * 1024)
#define ZERO_BLOCK (64u * 1024)
/* A larger record is worth its own metadata; it is not written twice. */
#define ZERO_MAX   (256u * 1024)
#define COPY_BLOCK (256u * 1024)

struct segment_writer {
	int fd;
	uint64_t id, salt;
	uint64_t end;	 /* the next record's place */
	uint64_t zeroed; /* filled up to here */
	struct commit *commit;
	bool dead;
};

static int fail_open(int fd, const char *what, const char **err_r)
{
	static _Thread_local char error[120]; /* printed or copied at once */
	snprintf(error, sizeof(error), "The spool segment %s: %s", what, strerror(errno));
	*err_r = error;
	close(fd);
	return -1;
}

int segment_writer_open(int fd, uint64_t id, struct segment_writer **w_r, const char **err_r)
{
	struct stat st;
	if (fstat(fd, &st) < 0)
		return fail_open(fd, "can't be read", err_r);
	errno = st.st_nlink == 0 ? ESTALE : EBUSY;
	if (st.st_nlink == 0 || st.st_size != 0 || os_lock_try(fd, true) != 1)
		return fail_open(fd, "is not fresh", err_r);
	struct segment_head head = {.id = id, .created_us = (uint64_t)clock_wall_us()};
	os_random(&head.salt, sizeof(head.salt));
	struct str start = STR_INIT;
	segment_head_put(&start, &head);
	int rc = os_pwrite_all(fd, start.s, start.len, 0);
	str_fini(&start);
	if (rc < 0)
		return fail_open(fd, "can't be written", err_r);
	struct segment_writer *w = mem_new(struct segment_writer);
	*w = (struct segment_writer){.fd = fd,
		.id = id,
		.salt = head.salt,
		.end = SEGMENT_START,
		.zeroed = SEGMENT_START,
		.commit = commit_new(fd, NULL)};
	*w_r = w;
	return 0;
}

uint64_t segment_writer_id(const struct segment_writer *w)
{
	return w->id;
}

uint64_t segment_writer_size(const struct segment_writer *w)
{
	return w->end;
}

int segment_writer_fd(const struct segment_writer *w)
{
	return w->fd;
}

bool segment_writer_is_dead(const struct segment_writer *w)
{
	return w->dead || commit_is_dead(w->commit);
}

static int put_mark(struct segment_writer *w, uint64_t at, enum record_kind kind, uint64_t length)
{
	struct record_head head = {.kind = kind, .length = length};
	struct str out = STR_INIT;
	record_head_put(&out, &head, w->salt, at);
	int rc = os_pwrite_all(w->fd, out.s, out.len, at);
	str_fini(&out);
	return rc;
}

void segment_writer_close(struct segment_writer **wp)
{
	struct segment_writer *w = *wp;
	if (!w)
		return;
	if (!segment_writer_is_dead(w) && put_mark(w, w->end, RECORD_SEAL, 0) == 0 &&
		w->zeroed > w->end && ftruncate(w->fd, (off_t)(w->end + SEGMENT_RECORD)) < 0)
		log_debug(
			"segment: the tail of %016llx stays allocated", (unsigned long long)w->id);
	commit_free(&w->commit);
	close(w->fd);
	mem_free(wp);
}

/* Room for a record of that size: what is reserved here can be written without running out of disk.
 * */
static int reserve(struct segment_writer *w, uint64_t size)
{
	static const char zeros[ZERO_BLOCK];
	uint64_t end = w->end + size;
	if (end <= w->zeroed)
		return 0;
	if (size > ZERO_MAX) {
		if (os_preallocate(w->fd, w->end, end) < 0)
			return -1;
		w->zeroed = end;
		return 0;
	}
	for (uint64_t to = w->zeroed + ZERO_AHEAD; w->zeroed < to; w->zeroed += sizeof(zeros))
		if (os_pwrite_all(w->fd, zeros, sizeof(zeros), w->zeroed) < 0)
			return -1;
	return 0;
}

/* --- the part of a large body that lies in a temporary file --- */

struct copy {
	int from, to;
	uint64_t size, at;
	uint32_t crc;
};

static int do_copy(void *arg)
{
	struct copy *c = arg;
	char *block = mem_alloc(COPY_BLOCK);
	int rc = 0;
	for (uint64_t done = 0; rc == 0 && done < c->size;) {
		size_t n = num_min(COPY_BLOCK, c->size - done);
		rc = os_pread_all(c->from, block, n, done);
		if (rc == 0)
			rc = os_pwrite_all(c->to, block, n, c->at + done);
		c->crc = os_crc32c(c->crc, block, n);
		done += n;
	}
	int error = errno;
	mem_free(&block);
	errno = error;
	return rc < 0 ? -(error ? error : EIO) : 0;
}

static int copy_rest(struct copy *c)
{
	if (c->size == 0)
		return 0;
	int rc = io_call(do_copy, c); /* errno is the helper thread's, so it comes as value */
	if (rc < 0)
		errno = -rc;
	return rc < 0 ? -1 : 0;
}

/* --- one record --- */

static void put_front(struct str *out, const struct segment_message *m)
{
	size_t room = SEGMENT_RECORD;
	memset(str_reserve(out, room + m->envelope.n + m->prefix.n + m->head.n), 0, room);
	out->len = room;
	str_add_span(out, m->envelope);
	str_add_span(out, m->prefix);
	str_add_span(out, m->head);
}

static int write_record(
	struct segment_writer *w, const struct segment_message *m, uint64_t at, uint64_t length)
{
	struct str front = STR_INIT, head = STR_INIT;
	put_front(&front, m);
	struct copy copy = {.from = m->rest_fd,
		.to = w->fd,
		.size = m->rest_size,
		.at = at + front.len,
		.crc = os_crc32c(0, front.s + SEGMENT_RECORD, front.len - SEGMENT_RECORD)};
	int rc = copy_rest(&copy);
	if (rc == 0) {
		struct record_head h = {.kind = RECORD_MESSAGE,
			.length = length,
			.envelope = (uint32_t)m->envelope.n,
			.crc = copy.crc};
		memcpy(h.trace, m->trace, TRACE_ID_LEN);
		record_head_put(&head, &h, w->salt, at);
		memcpy(front.s, head.s, SEGMENT_RECORD);
		rc = os_pwrite_all(w->fd, front.s, front.len, at);
	}
	int error = errno;
	str_fini(&front);
	str_fini(&head);
	errno = error;
	return rc;
}

enum segment_status segment_append(
	struct segment_writer *w, const struct segment_message *m, struct segment_place *place_r)
{
	uint64_t length = m->envelope.n + m->prefix.n + m->head.n + m->rest_size;
	uint64_t at = w->end, size = record_size(length);
	errno = EIO;
	if (segment_writer_is_dead(w))
		return SEGMENT_FAILED;
	if (reserve(w, size) < 0)
		return errno == ENOSPC || errno == EDQUOT ? SEGMENT_DISK_FULL : SEGMENT_FAILED;
	w->end += size;
	*place_r = (struct segment_place){.segment = w->id, .at = at, .length = size};
	if (write_record(w, m, at, length) == 0 && commit_wait(w->commit) == 0)
		return SEGMENT_OK;
	/* What is refused must not be delivered either; where even this fails the segment is of no
	 * more use. */
	int error = errno;
	if (put_mark(w, at, RECORD_SKIP, length) < 0)
		w->dead = true;
	errno = error;
	return SEGMENT_FAILED;
}
