/*
 * What the medium has of one spool segment's stamps, told as the kernel does it: a sync takes what is dirty there; one that
 * fails leaves it clean, so that the next one says well. The calls of this process stand in for the C library's. For a test
 * program of one file.
 */
#ifndef T_QMGR_MEDIUM_H
#define T_QMGR_MEDIUM_H

#include <errno.h>
#include <fcntl.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "queue/segment.h"

#define PLACES	   64  /* of records */
#define STAMP_SIZE 8
#define STAMP_AT   56 /* in a record */

/* Shared by the processes that a test makes. */
static struct medium {
	atomic_ulong segment, folder;	  /* inodes */
	atomic_bool fails, folder_fails;  /* syncs do */
	atomic_uint syncs, failures;
	atomic_bool durable[PLACES];	  /* stamps, by place */
	atomic_bool gone;		  /* the segment was removed */
	atomic_uint missing;		  /* stamps at that moment that were not durable, of: */
	atomic_bool done[PLACES];
} *medium;

/* Of this process: a second one begins with a clean cache. */
static atomic_bool dirty[PLACES];

static uint64_t inode_of(int fd)
{
	struct stat st;
	return fstat(fd, &st) == 0 ? st.st_ino : 0;
}

static unsigned place_of(uint64_t at)
{
	return (unsigned)((at - SEGMENT_START) / SEGMENT_ALIGN % PLACES);
}

ssize_t pwrite(int fd, const void *p, size_t n, off_t at)
{
	if (n == STAMP_SIZE && medium && inode_of(fd) == medium->segment)
		medium->done[place_of((uint64_t)at)] = dirty[place_of((uint64_t)at)] = true;
	return syscall(SYS_pwrite64, fd, p, n, at);
}

int fdatasync(int fd)
{
	if (!medium || inode_of(fd) != medium->segment)
		return (int)syscall(SYS_fdatasync, fd);
	bool fails = medium->fails;
	for (unsigned i = 0; i < PLACES; i++)
		if (atomic_exchange(&dirty[i], false) && !fails)
			medium->durable[i] = true;
	(fails ? &medium->failures : &medium->syncs)[0]++;
	errno = EIO;
	return fails ? -1 : 0;
}

int fsync(int fd)
{
	if (!medium || inode_of(fd) != medium->folder)
		return (int)syscall(SYS_fsync, fd);
	errno = EIO;
	return medium->folder_fails ? -1 : 0;
}

int unlinkat(int dir, const char *name, int flags)
{
	struct stat st;
	if (medium && fstatat(dir, name, &st, AT_SYMLINK_NOFOLLOW) == 0 && st.st_ino == medium->segment) {
		for (unsigned i = 0; i < PLACES; i++)
			medium->missing += medium->done[i] && !medium->durable[i];
		medium->gone = true;
	}
	return (int)syscall(SYS_unlinkat, dir, name, flags);
}

#endif
