/*
 * The record of a run: every change of files, in the order in which they happened, of all processes.
 * One sparse file that all of them map, so that neither a closed descriptor, nor a chroot, another
 * uid or a system call filter stands between a process and it. Written by record.c, read by
 * recording.py, which has the same numbers.
 *
 * File: struct record_file in its first page, events from the second on, each at a multiple of 8.
 */
#ifndef POWERCUT_RECORD_H
#define POWERCUT_RECORD_H

#include <stdint.h>

#define RECORD_MAGIC	0x3143525755485254ull
#define RECORD_START	4096
#define RECORD_SIZE_MAX (1ull << 30)

struct record_file {
	uint64_t magic;
	uint64_t device; /* whose files count */
	_Atomic uint64_t end;
	_Atomic uint32_t lock;	   /* tid of the holder */
	_Atomic uint32_t overflow; /* events may be missing */
};

enum record_kind {
	RECORD_WRITE = 1,  /* inode; a offset, b length; data, none for zeros */
	RECORD_TRUNCATE,   /* inode; a size */
	RECORD_ALLOCATE,   /* inode; a offset, b length, c mode of fallocate */
	RECORD_SYNC_BEGIN, /* inode; a number of this sync, b data only */
	RECORD_SYNC_END,   /* the same, when it succeeded */
	RECORD_CREATE,	   /* inode; a folder; name, empty for O_TMPFILE. Perhaps it was there */
	RECORD_MKDIR,	   /* inode; a folder; name */
	RECORD_LINK,	   /* the same */
	RECORD_UNLINK,	   /* a folder; name. Files and folders */
	RECORD_RENAME,	   /* a folder, b new folder; name, NUL, new name */
	RECORD_OWNER,	   /* inode: mode, uid and gid as they are now */
	RECORD_MAPPED,	   /* inode; a offset; what is in the mapped page now, final zeros left out */
	RECORD_MARK,	   /* of the test: text */
};

struct record_event {
	uint32_t size; /* of the whole event */
	uint16_t kind, zero;
	uint32_t pid, mode, uid, gid;
	uint64_t inode, a, b, c;
	uint32_t length; /* of what follows */
	uint32_t zero2;
};

/* For the test, which loads this as a library: makes the file; 0 or -1. */
int powercut_open(const char *path, const char *root);
/* Nobody changes a file in between: nobody is killed between a change and its note. */
void powercut_hold(void);
void powercut_release(void);
void powercut_mark(const char *text, uint32_t length);

#endif
