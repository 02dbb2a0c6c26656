/*
 * Calls that change files, instead of the C library's: the n-th one fails, or its process ends
 * there. For a test program of one file; set `fault` and count.
 */
#ifndef T_FAILING_CALLS_H
#define T_FAILING_CALLS_H

#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <stdio.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

enum mode {
	ONCE,	   /* that call alone */
	FROM_HERE, /* it and all later ones, until the medium is well again */
	SHORT,	   /* it writes one half, the next fails */
	KILL,	   /* the process ends there */
};
#define KILLED 9

/* Shared with helper threads; one test at a time. */
static struct {
	enum mode mode;
	int error;
	unsigned at; /* 0: none fails */
	atomic_uint count;
	atomic_ullong written; /* octets, by pwrite */
} fault;

static bool fails(void)
{
	if (!fault.at)
		return false;
	unsigned n = ++fault.count, at = fault.at + (fault.mode == SHORT);
	if (fault.mode == FROM_HERE ? n < at : n != at)
		return false;
	if (fault.mode == KILL)
		_exit(KILLED);
	errno = fault.error;
	return true;
}

static size_t shorter(size_t n)
{
	return fault.mode == SHORT && fault.at && fault.count == fault.at && n > 1 ? n / 2 : n;
}

ssize_t pwrite(int fd, const void *p, size_t n, off_t at)
{
	ssize_t done = fails() ? -1 : syscall(SYS_pwrite64, fd, p, shorter(n), at);
	if (done > 0)
		fault.written += (unsigned long long)done;
	return done;
}

/* The log's own lines are not meant. */
ssize_t write(int fd, const void *p, size_t n)
{
	struct stat st;
	bool file = fstat(fd, &st) == 0 && S_ISREG(st.st_mode);
	return file && fails() ? -1 : syscall(SYS_write, fd, p, file ? shorter(n) : n);
}

int fdatasync(int fd)
{
	return fails() ? -1 : (int)syscall(SYS_fdatasync, fd);
}

int fsync(int fd)
{
	return fails() ? -1 : (int)syscall(SYS_fsync, fd);
}

int ftruncate(int fd, off_t size)
{
	return fails() ? -1 : (int)syscall(SYS_ftruncate, fd, size);
}

/* Libraries that know no large files call these. */
ssize_t pwrite_of_libraries(int fd, const void *p, size_t n, off_t at) __asm__("pwrite");
int ftruncate_of_libraries(int fd, off_t size) __asm__("ftruncate");

ssize_t pwrite_of_libraries(int fd, const void *p, size_t n, off_t at)
{
	return pwrite(fd, p, n, at);
}

int ftruncate_of_libraries(int fd, off_t size)
{
	return ftruncate(fd, size);
}

int fallocate(int fd, int how, off_t from, off_t n)
{
	return fails() ? -1 : (int)syscall(SYS_fallocate, fd, how, from, n);
}

int renameat(int from, const char *name, int to, const char *as)
{
	return fails() ? -1 : (int)syscall(SYS_renameat, from, name, to, as);
}

int linkat(int from, const char *name, int to, const char *as, int flags)
{
	return fails() ? -1 : (int)syscall(SYS_linkat, from, name, to, as, flags);
}

int mkdirat(int dir, const char *name, mode_t mode)
{
	return fails() ? -1 : (int)syscall(SYS_mkdirat, dir, name, mode);
}

int openat(int dir, const char *name, int flags, ...)
{
	va_list args;
	va_start(args, flags);
	mode_t mode = flags & (O_CREAT | O_TMPFILE) ? va_arg(args, mode_t) : 0;
	va_end(args);
	if ((flags & (O_CREAT | O_TMPFILE)) && fails())
		return -1;
	return (int)syscall(SYS_openat, dir, name, flags, mode);
}

/* Runs with a fault at call 1, 1 + step, ... until one run is over before it comes to its fault (run says false). memory:
 * zeroed, shared with the processes that the run makes. least: as many calls there are at least. */
static inline void fail_every_call(bool (*run)(void *memory, enum mode mode, int error, unsigned at), size_t memory,
	enum mode mode, int error, unsigned step, unsigned least)
{
	unsigned at = 1;
	for (bool reached = true; reached; at += step) {
		void *r = mmap(NULL, memory, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
		assert_ptr_not_equal(r, MAP_FAILED);
		reached = run(r, mode, error, at);
		munmap(r, memory);
	}
	assert_in_range(at, least, 2000); /* else nobody counts */
}

#endif
