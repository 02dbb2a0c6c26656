#include "store/log.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/log.h"
#include "base/num.h"
#include "io/io.h"
#include "os/os.h"

#define WINDOW	    (128 * 1024)
#define WINDOW_KEPT (1024 * 1024)

static const char zeros[64 * 1024];

void log_init(struct log *log, int dirfd, const char *account)
{
	*log = (struct log){.dirfd = dirfd, .limit = UINT64_MAX};
	memcpy(log->account, account, strnlen(account, ACCOUNT_ID_MAX));
}

static void segment_free(struct segment *seg)
{
	seg->dropped = true;
	if (seg->users)
		return;
	commit_free(&seg->commit);
	if (seg->fd >= 0)
		close(seg->fd);
	mem_free(&seg);
}

void log_hold_segment(struct segment *seg)
{
	seg->users++;
}

void log_release_segment(struct segment *seg)
{
	seg->users--;
	if (seg->dropped)
		segment_free(seg);
}

void log_forget_after(struct log *log, uint64_t number)
{
	for (; log->n > number; log->n--)
		segment_free(log->v[log->n - 1]);
	log->window.n = 0;
	log->found = NULL;
}

void log_fini(struct log *log)
{
	log_forget_after(log, 0);
	mem_free(&log->v);
	str_fini(&log->window.bytes);
}

static int segment_name(char name[32], uint64_t number)
{
	return snprintf(name, 32, "log.%llu", (unsigned long long)number);
}

bool log_is_trouble(int error)
{
	return error && error != ENOENT && error != ENOTDIR && error != ELOOP && error != EISDIR && error != ENXIO;
}

/* 1, 0, -1 with errno. */
static int file_exists(int dirfd, uint64_t number)
{
	char name[32];
	segment_name(name, number);
	if (faccessat(dirfd, name, F_OK, AT_SYMLINK_NOFOLLOW) == 0)
		return 1;
	return log_is_trouble(errno) ? -1 : 0;
}

/* Numbers are dense: gallop, then halve. */
int log_count_files(int dirfd, uint64_t *n_r)
{
	uint64_t have = 0, step = 1;
	int rc;
	for (; (rc = file_exists(dirfd, have + step)) > 0; step *= 2)
		have += step;
	for (; rc >= 0 && step; step /= 2)
		if ((rc = file_exists(dirfd, have + step)) > 0)
			have += step;
	*n_r = have;
	return rc < 0 ? -1 : 0;
}

void log_know(struct log *log, uint64_t number)
{
	if (number <= log->n)
		return;
	log->found = NULL;
	log->v = mem_realloc(log->v, number * sizeof(*log->v));
	for (; log->n < number; log->n++) {
		log->v[log->n] = mem_new(struct segment);
		log->v[log->n]->number = log->n + 1;
		log->v[log->n]->fd = -1;
	}
}

static bool parse_segment_header(const struct log *log, struct span bytes, struct segment *seg)
{
	struct reader in = reader_of(bytes), sum = reader_of(span_make(bytes.p + 124, 4));
	bool magic = span_eq(get_bytes(&in, 8), span_make(SEGMENT_MAGIC, 8));
	uint32_t version = get_u32(&in);
	seg->salt = get_u32(&in);
	uint64_t number = get_u64(&in);
	seg->base = get_u64(&in);
	struct span account = get_bytes(&in, ACCOUNT_ID_ROOM);
	return magic && version == FORMAT_VERSION && seg->salt && number == seg->number &&
	       memcmp(account.p, log->account, ACCOUNT_ID_ROOM) == 0 && seg->base >= LOG_FIRST &&
	       seg->base % 8 == 0 && seg->base < UINT64_MAX / 2 &&
	       get_u32(&sum) == os_crc32c(0, bytes.p, 124);
}

/* A damaged header does not cost the segment: its first record says the same. */
static bool ask_first_record(struct segment *seg)
{
	char bytes[RECORD_HEADER];
	if (os_pread_all(seg->fd, bytes, sizeof(bytes), SEGMENT_HEADER) < 0)
		return false;
	errno = 0;
	struct reader in = reader_of(span_make(bytes, sizeof(bytes)));
	seg->salt = get_u32(&in);
	get_u32(&in);
	seg->base = get_u64(&in);
	struct record r;
	return seg->base >= LOG_FIRST && seg->base % 8 == 0 && seg->base < UINT64_MAX / 2 &&
	       record_parse_header(span_make(bytes, sizeof(bytes)), seg->salt, seg->base, &r);
}

/* 0, or -1 with errno, which is no trouble when it is damaged. */
static int open_segment(struct log *log, struct segment *seg)
{
	char name[32], bytes[SEGMENT_HEADER];
	segment_name(name, seg->number);
	seg->fd = openat(log->dirfd, name, O_RDWR | O_CLOEXEC | O_NOFOLLOW);
	if (seg->fd < 0)
		return -1;
	struct stat st;
	if (fstat(seg->fd, &st) < 0)
		return -1;
	errno = 0;
	if (!S_ISREG(st.st_mode))
		return -1;
	seg->room = (uint64_t)st.st_size;
	bool whole = os_pread_all(seg->fd, bytes, sizeof(bytes), 0) == 0 &&
		     parse_segment_header(log, span_make(bytes, sizeof(bytes)), seg);
	return whole || (!log_is_trouble(errno) && ask_first_record(seg)) ? 0 : -1;
}

static void try_to_open(struct log *log, struct segment *seg)
{
	if (open_segment(log, seg) == 0)
		return;
	if (log_is_trouble(errno)) {
		log->trouble = errno;
		if (seg->fd >= 0)
			close(seg->fd);
		seg->fd = -1;
	} else {
		seg->bad = true;
	}
}

struct segment *log_segment(struct log *log, uint64_t number)
{
	log->trouble = 0;
	if (number < 1 || number > log->n)
		return NULL;
	struct segment *seg = log->v[number - 1];
	if (seg->fd < 0 && !seg->bad)
		try_to_open(log, seg);
	return seg->bad || seg->fd < 0 ? NULL : seg;
}

int log_open_all(struct log *log)
{
	for (uint64_t number = 1; number <= log->n; number++)
		if (!log_segment(log, number) && log->trouble) {
			errno = log->trouble;
			return -1;
		}
	return 0;
}

uint64_t log_segment_end(struct log *log, const struct segment *seg)
{
	uint64_t end = UINT64_MAX;
	for (uint64_t number = seg->number + 1; number <= log->n; number++) {
		const struct segment *next = log_segment(log, number);
		if (!next && log->trouble)
			return seg->base;
		if (next && next->base < end)
			end = next->base;
	}
	return end;
}

/* Bases need not ascend: a segment that was written anew in place of several begins before the bases of some of
 * them. So the last one that begins at or before the position has it, and segments are few. */
struct segment *log_find(struct log *log, uint64_t at)
{
	log->trouble = 0;
	if (log->found && at >= log->found->base && at < log->found_end)
		return log->found;
	for (uint64_t number = log->n; number >= 1; number--) {
		struct segment *seg = log_segment(log, number);
		if (!seg && log->trouble)
			return NULL;
		if (!seg || seg->base > at)
			continue;
		log->found_end = log_segment_end(log, seg);
		log->found = log->trouble ? NULL : seg;
		return log->found;
	}
	return NULL;
}

static void put_segment_header(
	const struct log *log, struct str *out, uint64_t number, uint64_t base, uint32_t salt)
{
	while (!salt)
		os_random(&salt, sizeof(salt));
	str_add(out, SEGMENT_MAGIC, 8);
	put_u32(out, FORMAT_VERSION);
	put_u32(out, salt);
	put_u64(out, number);
	put_u64(out, base);
	str_add(out, log->account, ACCOUNT_ID_ROOM);
	str_add(out, zeros, 124 - out->len);
	put_u32(out, os_crc32c(0, out->s, out->len));
}

/* Whole before it has a name, so that a killed maker leaves nothing. */
static int make_segment_file(struct log *log, uint64_t number, uint64_t base, uint32_t salt)
{
	int fd = openat(log->dirfd, ".", O_TMPFILE | O_RDWR | O_CLOEXEC, 0600);
	if (fd < 0)
		return -1;
	struct str header = STR_INIT;
	put_segment_header(log, &header, number, base, salt);
	char name[32], self[32];
	segment_name(name, number);
	snprintf(self, sizeof(self), "/proc/self/fd/%d", fd);
	int rc = os_pwrite_all(fd, header.s, header.len, 0);
	if (rc == 0)
		rc = os_pwrite_all(fd, zeros, LOG_CHUNK_MIN - SEGMENT_HEADER, SEGMENT_HEADER);
	if (rc == 0)
		rc = linkat(AT_FDCWD, self, log->dirfd, name, AT_SYMLINK_FOLLOW);
	int cause = errno;
	str_fini(&header);
	close(fd);
	errno = cause;
	return rc;
}

static int remove_segment_file(struct log *log, uint64_t number)
{
	char name[32];
	segment_name(name, number);
	return unlinkat(log->dirfd, name, 0);
}

int log_add_segment(struct log *log, uint64_t base, uint32_t salt)
{
	uint64_t number = log->n + 1;
	int rc = make_segment_file(log, number, base, salt);
	/* A writer was killed before head named it: what is in there does not exist. */
	if (rc < 0 && errno == EEXIST && number > 1 && remove_segment_file(log, number) == 0)
		rc = make_segment_file(log, number, base, salt);
	if (rc < 0)
		return -1;
	log_know(log, number);
	return log_segment(log, number) ? 0 : -1;
}

void log_take_back_segment(struct log *log)
{
	int cause = errno;
	uint64_t number = log->n;
	log_forget_after(log, number - 1);
	if (remove_segment_file(log, number) < 0)
		log_warning("Segment %llu of account %s can't be removed: %m.",
			(unsigned long long)number, log->account);
	errno = cause;
}

static int put_zeros(int fd, uint64_t from, uint64_t to)
{
	while (from < to) {
		size_t n = num_min(sizeof(zeros), to - from);
		if (os_pwrite_all(fd, zeros, n, from) < 0)
			return -1;
		from += n;
	}
	return 0;
}

/* Writes ahead when the record does not fit in what is there. */
static int make_room(struct segment *seg, uint64_t need)
{
	struct stat st;
	if (need <= seg->room)
		return 0;
	if (fstat(seg->fd, &st) < 0)
		return -1;
	seg->room = (uint64_t)st.st_size;
	if (need <= seg->room)
		return 0;
	uint64_t chunk = seg->room / 4;
	chunk = chunk < LOG_CHUNK_MIN	? LOG_CHUNK_MIN
		: chunk > LOG_CHUNK_MAX ? LOG_CHUNK_MAX
					: chunk;
	uint64_t to = (need + chunk) / 4096 * 4096;
	/* On a disk that is nearly full, at least this record. */
	if (put_zeros(seg->fd, seg->room, to) < 0 && put_zeros(seg->fd, seg->room, to = need) < 0)
		return -1;
	seg->room = to;
	return 0;
}

int log_write(struct log *log, uint64_t at, struct span bytes)
{
	struct segment *seg = log_segment(log, log->n);
	if (!seg || at < seg->base) {
		errno = EIO;
		return -1;
	}
	uint64_t offset = SEGMENT_HEADER + at - seg->base;
	if (make_room(seg, offset + bytes.n) < 0)
		return -1;
	return os_pwrite_all(seg->fd, bytes.p, bytes.n, offset);
}

void log_drop_window(struct log *log)
{
	log->window.n = 0;
	str_fini(&log->window.bytes);
}

void log_shrink_window(struct log *log)
{
	if (log->window.n > WINDOW_KEPT)
		log_drop_window(log);
}

/* Octets of a segment. May wait, and then the segment may be gone. */
static ssize_t read_segment(struct log *log, struct segment *seg, char *p, size_t n, uint64_t offset)
{
	size_t got = 0;
	while (got < n) {
		ssize_t more = log->direct ? pread(seg->fd, p + got, n - got, (off_t)(offset + got))
					   : io_pread(seg->fd, p + got, n - got, offset + got);
		if (more < 0 && errno == EINTR)
			continue;
		if (more < 0)
			return -1;
		if (more == 0)
			break;
		got += (size_t)more;
	}
	return (ssize_t)got;
}

/* Reads around a position, in its segment: n octets from it on if they are there, and more for
 * later. 1: the log was read anew meanwhile, and it has to be done again. */
static int try_fill_window(struct log *log, uint64_t at, size_t n)
{
	struct log_window *w = &log->window;
	struct segment *seg = log_find(log, at);
	w->n = 0;
	if (!seg && log->trouble) {
		errno = log->trouble;
		return -1;
	}
	if (!seg || at >= log->limit)
		return 0;
	size_t want = num_max(n, WINDOW);
	if (log->backwards && n < WINDOW) {
		uint64_t back = WINDOW - n;
		at -= at - seg->base < back ? at - seg->base : back;
	}
	uint64_t end = log_segment_end(log, seg);
	if (log->trouble) {
		errno = log->trouble;
		return -1;
	}
	if (end > log->limit)
		end = log->limit;
	if (end - at < want)
		want = (size_t)(end - at);
	/* A buffer of its own: another fiber may come while this one reads. */
	struct str bytes = STR_INIT;
	str_reserve(&bytes, want);
	log_hold_segment(seg);
	ssize_t got = read_segment(log, seg, bytes.s, want, SEGMENT_HEADER + at - seg->base);
	bool dropped = seg->dropped;
	int cause = errno;
	log_release_segment(seg);
	if (got < 0 || dropped) {
		str_fini(&bytes);
		errno = cause;
		return dropped ? 1 : -1;
	}
	bytes.len = (size_t)got;
	str_fini(&w->bytes);
	*w = (struct log_window){.at = at, .n = bytes.len, .bytes = bytes};
	return 0;
}

static int fill_window(struct log *log, uint64_t at, size_t n)
{
	int rc;
	do
		rc = try_fill_window(log, at, n);
	while (rc > 0);
	return rc;
}

static bool window_has(const struct log_window *w, uint64_t at, size_t n)
{
	return at >= w->at && at - w->at <= w->n && n <= w->n - (at - w->at);
}

static struct span window_span(const struct log_window *w, uint64_t at)
{
	size_t skip = (size_t)(at - w->at);
	return span_make(w->bytes.s + skip, w->n - skip);
}

/* As much as there is, at least n if the file has it. */
static int see(struct log *log, uint64_t at, size_t n, struct span *bytes_r)
{
	if (!window_has(&log->window, at, n) && fill_window(log, at, n) < 0)
		return -1;
	bool any = window_has(&log->window, at, 0) && log->window.n;
	*bytes_r = any ? window_span(&log->window, at) : span_make("", 0);
	return 0;
}

int log_read(struct log *log, uint64_t at, size_t n, struct span *bytes_r)
{
	if (see(log, at, n, bytes_r) < 0)
		return -1;
	if (bytes_r->n < n) {
		errno = EIO;
		return -1;
	}
	bytes_r->n = n;
	return 0;
}

int log_get(struct log *log, uint64_t at, struct record *record_r)
{
	struct span bytes;
	if (see(log, at, RECORD_HEADER, &bytes) < 0)
		return -1;
	const struct segment *seg = log_find(log, at); /* not before: seeing may wait */
	uint32_t salt = seg ? seg->salt : 0;
	if (!seg && log->trouble) {
		errno = log->trouble;
		return -1;
	}
	if (!seg || !record_parse_header(bytes, salt, at, record_r))
		return 0;
	if (see(log, at, record_r->length, &bytes) < 0)
		return -1;
	return record_parse(bytes, salt, at, record_r);
}
