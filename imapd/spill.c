#include "imapd/spill.h"

#include <fcntl.h>
#include <sys/mman.h>
#include <unistd.h>

#include "base/log.h"
#include "io/io.h"
#include "os/os.h"

#define PAGE 4096u

void spill_init(struct spill *sp, const char *dir)
{
	*sp = (struct spill){.dir = dir, .fd = -1};
}

static void unmap(struct spill *sp)
{
	if (sp->map)
		munmap(sp->map, sp->map_n);
	sp->map = NULL;
}

void spill_fini(struct spill *sp)
{
	unmap(sp);
	if (sp->fd >= 0)
		close(sp->fd);
	str_fini(&sp->mem);
	str_fini(&sp->piece);
	spill_init(sp, sp->dir);
}

static void fail(struct spill *sp, const char *what)
{
	log_error("A message can't be taken in: %s in %s: %m", what, sp->dir);
	sp->failed = true;
}

static void to_file(struct spill *sp)
{
	if (sp->fd < 0)
		sp->fd = open(sp->dir, O_TMPFILE | O_RDWR | O_CLOEXEC, 0600);
	if (sp->fd < 0)
		fail(sp, "open");
	else if (os_write_all(sp->fd, sp->mem.s, sp->mem.len) < 0)
		fail(sp, "write");
	str_reset(&sp->mem);
}

static void put(struct spill *sp, const char *p, size_t n)
{
	str_add(&sp->mem, p, n);
	sp->n += n;
	if (sp->mem.len >= SPILL_MEMORY_MAX)
		to_file(sp);
}

void spill_add(struct spill *sp, struct span in)
{
	if (in.n == 0 || sp->failed)
		return;
	if (memchr(in.p, '\0', in.n))
		sp->nul = true;
	size_t from = 0;
	for (size_t lf = span_index(in, 0, '\n'); lf < in.n; lf = span_index(in, lf + 1, '\n')) {
		if (lf ? in.p[lf - 1] == '\r' : sp->cr)
			continue;
		put(sp, in.p + from, lf - from);
		put(sp, "\r", 1);
		from = lf;
	}
	put(sp, in.p + from, in.n - from);
	sp->cr = in.p[in.n - 1] == '\r';
}

void spill_next(struct spill *sp)
{
	sp->cr = false;
}

static bool read_piece(struct spill *sp, uint64_t at, uint64_t n, struct span *message_r)
{
	str_reset(&sp->piece);
	char *to = str_reserve(&sp->piece, (size_t)n);
	if (io_pread(sp->fd, to, (size_t)n, at) != (ssize_t)n) {
		fail(sp, "read");
		return false;
	}
	*message_r = span_make(to, (size_t)n);
	return true;
}

static bool map_piece(struct spill *sp, uint64_t at, uint64_t n, struct span *message_r)
{
	uint64_t from = at / PAGE * PAGE;
	sp->map_n = (size_t)(at + n - from);
	sp->map = mmap(NULL, sp->map_n, PROT_READ, MAP_SHARED, sp->fd, (off_t)from);
	if (sp->map == MAP_FAILED) {
		sp->map = NULL;
		fail(sp, "mmap");
		return false;
	}
	*message_r = span_make((char *)sp->map + (at - from), (size_t)n);
	return true;
}

bool spill_show(struct spill *sp, uint64_t at, uint64_t n, struct span *message_r)
{
	unmap(sp);
	if (sp->fd >= 0 && sp->mem.len)
		to_file(sp);
	if (sp->failed)
		return false;
	if (sp->fd >= 0)
		return n < SPILL_MEMORY_MAX ? read_piece(sp, at, n, message_r)
					    : map_piece(sp, at, n, message_r);
	*message_r = span_make(sp->mem.s + at, (size_t)n);
	return true;
}
