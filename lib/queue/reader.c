#include <errno.h>
#include <sys/stat.h>

#include "base/num.h"
#include "base/wire.h"
#include "io/io.h"
#include "os/os.h"
#include "queue/record.h"

#define WINDOW_MAX (256u * 1024)

struct segment_reader {
	int fd;
	uint64_t salt;
	uint64_t limit;
	char *window;	    /* what was read last: */
	uint64_t window_at; /* these octets of the file */
	size_t window_n;
	struct str envelope; /* of a record that does not fit into the window */
};

/* At least n octets at `at` in memory; fewer are there (limit, end of file) when it returns NULL
 * with errno 0. */
static const char *look(struct segment_reader *r, uint64_t at, size_t n)
{
	errno = 0;
	if (at >= r->window_at && at + n <= r->window_at + r->window_n)
		return r->window + (at - r->window_at);
	if (at >= r->limit || n > WINDOW_MAX || n > r->limit - at)
		return NULL;
	if (!r->window)
		r->window = mem_alloc(WINDOW_MAX);
	r->window_at = at;
	r->window_n = 0;
	ssize_t got = io_pread(r->fd, r->window, num_min(WINDOW_MAX, r->limit - at), at);
	if (got < 0)
		return NULL;
	errno = 0;
	r->window_n = (size_t)got;
	return r->window_n >= n ? r->window : NULL;
}

int segment_reader_open(int fd, uint64_t id, struct segment_reader **r_r)
{
	char start[SEGMENT_START + SEGMENT_RECORD] = {0};
	ssize_t got = io_pread(fd, start, sizeof(start), 0);
	if (got < 0)
		return -1;
	struct segment_head head;
	if (!segment_head_parse(span_make(start, SEGMENT_START), &head)) {
		if (!record_head_salt(start + SEGMENT_START, SEGMENT_START, &head.salt))
			return 0;
	} else if (head.id != id) {
		return 0;
	}
	*r_r = mem_new(struct segment_reader);
	**r_r = (struct segment_reader){.fd = fd, .salt = head.salt, .limit = UINT64_MAX};
	return 1;
}

void segment_reader_close(struct segment_reader **r)
{
	if (!*r)
		return;
	mem_free(&(*r)->window);
	str_fini(&(*r)->envelope);
	mem_free(r);
}

void segment_reader_limit(struct segment_reader *r, uint64_t end)
{
	r->limit = end;
}

/* Sequentially through a payload that is larger than the window: its checksum, its envelope. 1
 * whole, 0 not, -1 errno. */
static int check_large(struct segment_reader *r, uint64_t at, const struct record_head *h)
{
	uint32_t crc = 0;
	str_reset(&r->envelope);
	for (uint64_t done = 0; done < h->length;) {
		size_t n = num_min(WINDOW_MAX, h->length - done);
		const char *p = look(r, at + SEGMENT_RECORD + done, n);
		if (!p)
			return errno ? -1 : 0;
		crc = os_crc32c(crc, p, n);
		if (done < h->envelope)
			str_add(&r->envelope, p, num_min(n, h->envelope - done));
		done += n;
		fiber_breathe();
	}
	return crc == h->crc;
}

static void fill(struct segment_record *rec, const struct record_head *h, uint64_t at)
{
	rec->at = at;
	rec->next = at + record_size(h->length);
	memcpy(rec->trace, h->trace, sizeof(rec->trace));
	rec->body_at = at + SEGMENT_RECORD + h->envelope;
	rec->body_size = h->length - h->envelope;
	rec->body = span_make(NULL, 0);
	rec->done = h->done;
}

static int check_record(struct segment_reader *r, uint64_t at, const struct record_head *h,
	struct segment_record *rec)
{
	fill(rec, h, at);
	if (SEGMENT_RECORD + h->length > WINDOW_MAX) {
		int rc = check_large(r, at, h);
		rec->envelope = str_span(&r->envelope);
		return rc;
	}
	const char *p = look(r, at, SEGMENT_RECORD + h->length);
	if (!p)
		return errno ? -1 : 0;
	rec->envelope = span_make(p + SEGMENT_RECORD, h->envelope);
	rec->body = span_make(p + SEGMENT_RECORD + h->envelope, rec->body_size);
	return os_crc32c(0, p + SEGMENT_RECORD, h->length) == h->crc;
}

static bool is_zero(const char *p)
{
	static const char zeros[SEGMENT_ALIGN];
	return memcmp(p, zeros, sizeof(zeros)) == 0;
}

enum step { STEP_FOUND, STEP_NEXT, STEP_TORN, STEP_SEALED, STEP_END, STEP_ERROR };

/* What is at this place? *next_r: where to go on. */
static enum step look_at(struct segment_reader *r, uint64_t at, struct segment_record *rec,
	uint64_t *next_r, uint64_t *lost_r)
{
	struct record_head h;
	const char *p = look(r, at, SEGMENT_RECORD);
	if (!p)
		return errno ? STEP_ERROR : STEP_END;
	*next_r = at + SEGMENT_ALIGN;
	if (!record_head_parse(p, r->salt, at, &h)) {
		if (!is_zero(p))
			*lost_r += SEGMENT_ALIGN;
		return STEP_TORN;
	}
	*next_r = at + record_size(h.length);
	if (h.kind != RECORD_MESSAGE)
		return h.kind == RECORD_SEAL ? STEP_SEALED : STEP_NEXT;
	int rc = check_record(r, at, &h, rec);
	if (rc == 0)
		*lost_r += *next_r - at;
	return rc == 1 ? STEP_FOUND : rc == 0 ? STEP_TORN : STEP_ERROR;
}

enum segment_found segment_read(struct segment_reader *r, uint64_t at, bool closed,
	struct segment_record *rec_r, uint64_t *lost_r)
{
	for (uint64_t passed = 0;;) {
		uint64_t lost = 0, next = at;
		switch (look_at(r, at, rec_r, &next, &lost)) {
		case STEP_FOUND:
			*lost_r += passed;
			return SEGMENT_FOUND;
		case STEP_SEALED:
			*lost_r += passed;
			return SEGMENT_SEALED;
		case STEP_ERROR:
			return SEGMENT_ERROR;
		case STEP_TORN:
			if (closed) {
				passed += lost;
				break;
			}
			/* fall through */
		case STEP_END:
			*lost_r += passed;
			r->window_n = 0; /* what is read here later must be read again */
			return SEGMENT_TAIL;
		case STEP_NEXT:
			break;
		}
		at = next;
		fiber_breathe();
	}
}

enum segment_found segment_read_at(
	struct segment_reader *r, uint64_t at, struct str *envelope, struct segment_record *rec_r)
{
	struct record_head h;
	char head[SEGMENT_RECORD];
	ssize_t got = io_pread(r->fd, head, sizeof(head), at);
	if (got < 0)
		return SEGMENT_ERROR;
	if (got != SEGMENT_RECORD || !record_head_parse(head, r->salt, at, &h) ||
		h.kind != RECORD_MESSAGE)
		return SEGMENT_TAIL;
	fill(rec_r, &h, at);
	str_reset(envelope);
	got = io_pread(r->fd, str_reserve(envelope, h.envelope), h.envelope, at + SEGMENT_RECORD);
	if (got != (ssize_t)h.envelope)
		return got < 0 ? SEGMENT_ERROR : SEGMENT_TAIL;
	envelope->len = h.envelope;
	rec_r->envelope = str_span(envelope);
	return SEGMENT_FOUND;
}

int segment_mark_done(struct segment_reader *r, uint64_t at)
{
	struct str stamp = STR_INIT;
	put_u64(&stamp, record_done_stamp(r->salt, at));
	int rc = os_pwrite_all(r->fd, stamp.s, stamp.len, at + RECORD_DONE_AT);
	str_fini(&stamp);
	return rc;
}
