/* A segment in a temporary folder, and what tests put into it. */
#ifndef T_QUEUE_SPOOL_H
#define T_QUEUE_SPOOL_H

#include <errno.h>
#include <fcntl.h>
#include <unistd.h>

#include "base/array.h"
#include "base/str.h"
#include "mail/trace.h"
#include "queue/segment.h"
#include "t/lib/kv/folder.h"

struct spool_fixture {
	char dir[64];
	int dirfd;
	uint64_t id;
	struct segment_writer *writer;
};

static inline void spool_new_segment(struct spool_fixture *f)
{
	const char *err = "";
	int fd = segment_create(f->dirfd, 0600, &f->id, &err);
	if (fd < 0 || segment_writer_open(fd, f->id, &f->writer, &err) < 0)
		log_fatal("%s", err);
}

static inline void spool_init(struct spool_fixture *f)
{
	folder_make(f->dir);
	f->dirfd = open(f->dir, O_RDONLY | O_DIRECTORY);
	spool_new_segment(f);
}

static inline void spool_fini(struct spool_fixture *f)
{
	segment_writer_close(&f->writer);
	close(f->dirfd);
	folder_remove(f->dir);
}

static inline int spool_open(const struct spool_fixture *f, int flags)
{
	char name[SEGMENT_NAME_LEN + 1];
	segment_name(f->id, name);
	return openat(f->dirfd, name, flags);
}

/* The n-th message: its trace is its number, its body `size` times a letter. */
static inline enum segment_status spool_append(
	struct spool_fixture *f, unsigned n, size_t size, struct segment_place *place_r)
{
	char trace[TRACE_ID_LEN + 1];
	snprintf(trace, sizeof(trace), "%016u", n);
	char *body = mem_alloc(size + 1);
	memset(body, 'a' + (int)(n % 26), size);
	struct segment_message m = {.trace = trace,
		.envelope = span_of("envelope"),
		.prefix = span_of("prefix:"),
		.head = span_make(body, size),
		.rest_fd = -1};
	enum segment_status status = segment_append(f->writer, &m, place_r);
	mem_free(&body);
	return status;
}

/* Numbers of the messages in a segment as text: "1 2 4", with * behind a stamped one, then how it
 * ended. */
static inline void spool_read(int fd, uint64_t id, bool closed, struct str *out)
{
	static const char *const ends[] = {"", "sealed", "tail", "error"};
	struct segment_reader *r;
	struct segment_record rec;
	uint64_t lost = 0, at = SEGMENT_START;
	int rc = segment_reader_open(fd, id, &r);
	if (rc <= 0) {
		str_puts(out, rc ? "unreadable" : "no header");
		return;
	}
	enum segment_found found;
	while ((found = segment_read(r, at, closed, &rec, &lost)) == SEGMENT_FOUND) {
		str_printf(out, "%d%s ", atoi(rec.trace), rec.done ? "*" : "");
		at = rec.next;
	}
	str_puts(out, ends[found]);
	segment_reader_close(&r);
}

#endif
