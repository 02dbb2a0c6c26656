/* Spool segments: see shared.h. Runs as root in master, so it follows no links in the queue's folder. */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/log.h"
#include "base/num.h"
#include "os/os.h"
#include "service/service.h"
#include "service/shared.h"

#define COUNTER    "segments.next"
#define RESERVE    64 /* ids made durable at a time */
#define NAME_CHARS 20 /* 16 digits and .seg */
#define TRIES_MAX  1000

struct segment_source {
	int queue_fd, dir_fd;
	uint64_t next;     /* to be given */
	uint64_t reserved; /* durable: none from here on has been given */
};

static int fail(struct segment_source **source, const char **err_r, const char *why)
{
	*err_r = why;
	segment_source_close(source);
	return -1;
}

static uint64_t read_counter(int queue_fd)
{
	uint64_t v = 1;
	char *text;
	size_t n;

	if (os_read_file(queue_fd, COUNTER, 64, &text, &n) < 0)
		return 1;
	if (!num_parse_u64(span_trim(span_make(text, n)), UINT64_MAX / 2, &v))
		log_error("The counter %s is damaged; ids go on after the segments that are there.",
			COUNTER);
	free(text);
	return v;
}

static bool parse_name(const char *name, uint64_t *id_r)
{
	struct span s = span_of(name);

	return s.n == NAME_CHARS && strcmp(name + 16, ".seg") == 0 &&
		num_parse_hex(span_make(s.p, 16), id_r);
}

/* A lost counter must not make old ids again while their segments are still there. */
static uint64_t past_existing(int dir_fd, uint64_t next)
{
	int fd = openat(dir_fd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	DIR *dir = fd < 0 ? NULL : fdopendir(fd);
	uint64_t id;

	if (!dir)
		return next;
	for (struct dirent *entry; (entry = readdir(dir));)
		if (parse_name(entry->d_name, &id) && id >= next)
			next = id + 1;
	closedir(dir);
	return next;
}

int segment_source_open(const char *queue_dir, struct segment_source **source_r, const char **err_r)
{
	struct segment_source *s = mem_new(struct segment_source);

	s->dir_fd = -1;
	s->queue_fd = open(queue_dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (s->queue_fd < 0)
		return fail(&s, err_r, "The folder queue_dir can't be opened.");
	s->dir_fd = openat(
		s->queue_fd, "segments", O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	if (s->dir_fd < 0)
		return fail(&s, err_r, "The folder segments in queue_dir can't be opened.");
	s->next = s->reserved = past_existing(s->dir_fd, read_counter(s->queue_fd));
	*source_r = s;
	return 0;
}

void segment_source_close(struct segment_source **source)
{
	struct segment_source *s = *source;

	if (!s)
		return;
	if (s->queue_fd >= 0)
		close(s->queue_fd);
	if (s->dir_fd >= 0)
		close(s->dir_fd);
	mem_free(source);
}

static int reserve(struct segment_source *s)
{
	char text[32];
	int n = snprintf(text, sizeof(text), "%" PRIu64 "\n", s->next + RESERVE);

	if (os_replace_file(s->queue_fd, COUNTER, text, (size_t)n, 0600) < 0)
		return -1;
	s->reserved = s->next + RESERVE;
	return 0;
}

/* Under an id that has no file yet. */
static int create(struct segment_source *s, uint64_t *id_r)
{
	char name[NAME_CHARS + 1];

	for (int i = 0; i < TRIES_MAX; i++) {
		if (s->next >= s->reserved && reserve(s) < 0)
			return -1;
		*id_r = s->next++;
		snprintf(name, sizeof(name), "%016" PRIx64 ".seg", *id_r);
		int fd = openat(s->dir_fd, name,
			O_RDWR | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600);
		if (fd >= 0 || errno != EEXIST)
			return fd;
	}
	return -1;
}

/* Why, by errno. */
static int failed(const char *what, const char **err_r)
{
	bool full = errno == ENOSPC || errno == EDQUOT;

	log_error("%s: %m.", what);
	*err_r = full ? "The disk of the queue is full." : "A file of the queue can't be created.";
	return full ? SERVICE_NO_SPACE : -1;
}

int segment_source_new(struct segment_source *s, uid_t uid, gid_t gid, uint64_t *id_r,
	const char **err_r)
{
	int fd = create(s, id_r), rc;

	if (fd < 0)
		return failed("A spool segment can't be created", err_r);
	/* The owner, too, must be on the medium: the writer syncs data only, and the queue manager is
	 * to open it after a power cut. */
	if ((geteuid() == 0 && uid != 0 && (fchown(fd, uid, gid) < 0 || fsync(fd) < 0)) ||
		os_sync_dir(s->dir_fd) < 0) {
		rc = failed("A spool segment can't be made durable", err_r);
		close(fd);
		return rc;
	}
	return fd;
}

int segment_source_temp(struct segment_source *s, const char **err_r)
{
	int fd = openat(s->dir_fd, ".", O_TMPFILE | O_EXCL | O_RDWR | O_CLOEXEC, 0600);

	return fd < 0 ? failed("A temporary file can't be created", err_r) : fd;
}
