/*
 * Linked into every program that a test of power cuts starts, in the place of the C library's
 * functions that change files: also Berkeley DB and the others call these. Each makes its system
 * call and notes it down (record.h). What the record says was written before a sync began was
 * written before it: changes are made and noted under one lock, a sync's begin before its call, its
 * end after.
 *
 * A program records when there is a file `record` in the folder it was started from; `boot_id`
 * there stands for the kernel's.
 *
 * Mapped files have no calls. Their pages are looked at before each event of the process, and noted
 * when they have changed: every state in which the program waits for or tells something is seen.
 */
#undef _FORTIFY_SOURCE
#undef _FILE_OFFSET_BITS
#include "powercut/record.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <time.h>
#include <unistd.h>

#define MAPPINGS_MAX 1024
#define MAPPED_MAX   65536 /* of one file */
#define PATIENCE_S   10

struct mapped {
	char *p, *seen;
	size_t n;
	uint64_t inode, at;
};

/* Of the process: these functions have no context argument. */
static struct record_file *file;
static struct mapped mappings[MAPPINGS_MAX];
static unsigned nmappings;
static char boot_id_path[PATH_MAX];
static _Atomic uint64_t syncs;

/* --- the file --- */

static void *map_record(const char *path, int flags)
{
	int fd = (int)syscall(SYS_openat, AT_FDCWD, path, O_RDWR | O_CLOEXEC | flags, 0666);
	if (fd < 0)
		return NULL;
	if (flags && syscall(SYS_ftruncate, fd, RECORD_SIZE_MAX) < 0)
		return NULL;
	void *p = (void *)syscall(
		SYS_mmap, NULL, RECORD_SIZE_MAX, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	syscall(SYS_close, fd);
	return p == MAP_FAILED ? NULL : p;
}

int powercut_open(const char *path, const char *root)
{
	struct stat st;
	file = map_record(path, O_CREAT | O_TRUNC);
	if (!file || stat(root, &st) < 0)
		return -1;
	file->device = st.st_dev;
	atomic_store(&file->end, RECORD_START);
	file->magic = RECORD_MAGIC;
	return 0;
}

__attribute__((constructor)) static void start(void)
{
	char path[PATH_MAX - 16];
	ssize_t n = readlink("/proc/self/exe", path, sizeof(path) - 1);
	if (n <= 0)
		return;
	path[n] = '\0';
	*strrchr(path, '/') = '\0';
	snprintf(boot_id_path, sizeof(boot_id_path), "%s/boot_id", path);
	if (access(boot_id_path, R_OK) < 0)
		boot_id_path[0] = '\0';
	size_t folder = strlen(path);
	snprintf(path + folder, sizeof(path) - folder, "/record");
	file = map_record(path, 0);
	if (file && file->magic != RECORD_MAGIC)
		file = NULL;
}

static void lock(void)
{
	uint32_t me = (uint32_t)syscall(SYS_gettid);
	struct timespec since, now;
	clock_gettime(CLOCK_MONOTONIC, &since);
	for (unsigned tries = 0;; tries++) {
		uint32_t nobody = 0;
		if (atomic_compare_exchange_weak(&file->lock, &nobody, me))
			return;
		if (tries % 64 != 63)
			continue;
		nanosleep(&(struct timespec){.tv_nsec = 20000}, NULL);
		clock_gettime(CLOCK_MONOTONIC, &now);
		if (now.tv_sec - since.tv_sec > PATIENCE_S) { /* its holder was killed: not by the test */
			atomic_store(&file->overflow, 1);
			atomic_store(&file->lock, me);
			return;
		}
	}
}

static void unlock(void)
{
	atomic_store(&file->lock, 0);
}

static void put(struct record_event e, const void *data, size_t n)
{
	uint64_t at = atomic_load(&file->end);
	e.length = (uint32_t)n;
	e.size = (uint32_t)((sizeof(e) + n + 7) / 8 * 8);
	e.pid = (uint32_t)syscall(SYS_getpid);
	if (at + e.size > RECORD_SIZE_MAX) {
		atomic_store(&file->overflow, 1);
		return;
	}
	memcpy((char *)file + at, &e, sizeof(e));
	if (n)
		memcpy((char *)file + at + sizeof(e), data, n);
	atomic_store(&file->end, at + e.size);
}

void powercut_hold(void)
{
	lock();
}

void powercut_release(void)
{
	unlock();
}

void powercut_mark(const char *text, uint32_t length)
{
	lock();
	put((struct record_event){.kind = RECORD_MARK}, text, length);
	unlock();
}

/* --- mapped pages --- */

static void look_at_mappings(void)
{
	for (unsigned i = 0; i < nmappings; i++) {
		struct mapped *m = &mappings[i];
		if (!m->p || memcmp(m->p, m->seen, m->n) == 0)
			continue;
		memcpy(m->seen, m->p, m->n);
		size_t n = m->n;
		while (n && !m->seen[n - 1])
			n--;
		put((struct record_event){.kind = RECORD_MAPPED, .inode = m->inode, .a = m->at, .b = m->n},
			m->seen, n);
	}
}

static void begin(void)
{
	lock();
	look_at_mappings();
}

static long end(long rc)
{
	int error = errno;
	unlock();
	errno = error;
	return rc;
}

static void *map_file(void *p, size_t n, int prot, int flags, int fd, off_t at)
{
	return (void *)syscall(SYS_mmap, p, n, prot, flags, fd, at);
}

static bool is_file(int fd, struct stat *st)
{
	return file && fd >= 0 && fstat(fd, st) == 0 && S_ISREG(st->st_mode) &&
	       st->st_dev == file->device;
}

void *mmap(void *p, size_t n, int prot, int flags, int fd, off_t at)
{
	struct stat st;
	void *got = map_file(p, n, prot, flags, fd, at);
	bool counts = got != MAP_FAILED && (flags & MAP_SHARED) && (prot & PROT_WRITE) && fd >= 0 &&
		      is_file(fd, &st) && n <= MAPPED_MAX;
	if (!counts)
		return got;
	lock();
	unsigned i = 0;
	while (i < nmappings && mappings[i].p)
		i++;
	if (i < MAPPINGS_MAX) {
		void *seen = map_file(NULL, n, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
		memcpy(seen, got, n);
		mappings[i] = (struct mapped){
			.p = got, .seen = seen, .n = n, .inode = st.st_ino, .at = (uint64_t)at};
		if (i == nmappings)
			nmappings++;
	} else {
		atomic_store(&file->overflow, 1);
	}
	unlock();
	return got;
}
void *mmap64(void *p, size_t n, int prot, int flags, int fd, off64_t at)
	__attribute__((alias("mmap")));

int munmap(void *p, size_t n)
{
	if (file && nmappings) {
		begin();
		for (unsigned i = 0; i < nmappings; i++)
			if (mappings[i].p == p) {
				syscall(SYS_munmap, mappings[i].seen, mappings[i].n);
				mappings[i] = (struct mapped){0};
			}
		unlock();
	}
	return (int)syscall(SYS_munmap, p, n);
}

/* --- contents --- */

static bool is_zero(const char *p, size_t n)
{
	return n >= 64 && p[0] == 0 && memcmp(p, p + 1, n - 1) == 0;
}

static void note_write(const struct stat *st, const void *data, size_t n, uint64_t at)
{
	bool zeros = is_zero(data, n);
	put((struct record_event){.kind = RECORD_WRITE, .inode = st->st_ino, .a = at, .b = n}, data,
		zeros ? 0 : n);
}

ssize_t pwrite(int fd, const void *data, size_t n, off_t at)
{
	struct stat st;
	if (!is_file(fd, &st))
		return syscall(SYS_pwrite64, fd, data, n, at);
	begin();
	long done = syscall(SYS_pwrite64, fd, data, n, at);
	if (done > 0)
		note_write(&st, data, (size_t)done, (uint64_t)at);
	return end(done);
}
ssize_t pwrite64(int fd, const void *data, size_t n, off64_t at) __attribute__((alias("pwrite")));

ssize_t write(int fd, const void *data, size_t n)
{
	struct stat st;
	if (!is_file(fd, &st))
		return syscall(SYS_write, fd, data, n);
	begin();
	long done = syscall(SYS_write, fd, data, n);
	if (done > 0)
		note_write(&st, data, (size_t)done,
			(uint64_t)syscall(SYS_lseek, fd, 0, SEEK_CUR) - (uint64_t)done);
	return end(done);
}

/* Nothing writes files so; if something begins to, the test must not overlook it. */
static long refuse_vectors(int fd, long nr, const struct iovec *v, int n, off_t at)
{
	struct stat st;
	if (is_file(fd, &st))
		abort();
	return syscall(nr, fd, v, n, at, 0);
}

ssize_t writev(int fd, const struct iovec *v, int n)
{
	return refuse_vectors(fd, SYS_writev, v, n, 0);
}

ssize_t pwritev(int fd, const struct iovec *v, int n, off_t at)
{
	return refuse_vectors(fd, SYS_pwritev, v, n, at);
}
ssize_t pwritev64(int fd, const struct iovec *v, int n, off64_t at)
	__attribute__((alias("pwritev")));

int ftruncate(int fd, off_t size)
{
	struct stat st;
	if (!is_file(fd, &st))
		return (int)syscall(SYS_ftruncate, fd, size);
	begin();
	long rc = syscall(SYS_ftruncate, fd, size);
	if (rc == 0)
		put((struct record_event){
			    .kind = RECORD_TRUNCATE, .inode = st.st_ino, .a = (uint64_t)size},
			NULL, 0);
	return (int)end(rc);
}
int ftruncate64(int fd, off64_t size) __attribute__((alias("ftruncate")));

int fallocate(int fd, int mode, off_t at, off_t n)
{
	struct stat st;
	if (!is_file(fd, &st))
		return (int)syscall(SYS_fallocate, fd, mode, at, n);
	begin();
	long rc = syscall(SYS_fallocate, fd, mode, at, n);
	if (rc == 0)
		put((struct record_event){.kind = RECORD_ALLOCATE,
			    .inode = st.st_ino,
			    .a = (uint64_t)at,
			    .b = (uint64_t)n,
			    .c = (uint64_t)mode},
			NULL, 0);
	return (int)end(rc);
}
int fallocate64(int fd, int mode, off64_t at, off64_t n) __attribute__((alias("fallocate")));

/* --- syncs --- */

static long sync_it(int fd, long nr, bool data_only)
{
	struct stat st;
	if (!file || fstat(fd, &st) < 0 || st.st_dev != file->device ||
		!(S_ISREG(st.st_mode) || S_ISDIR(st.st_mode)))
		return syscall(nr, fd);
	struct record_event e = {.kind = RECORD_SYNC_BEGIN, .inode = st.st_ino, .b = data_only};
	e.a = (uint64_t)syscall(SYS_getpid) << 32 | (uint32_t)atomic_fetch_add(&syncs, 1);
	begin();
	put(e, NULL, 0);
	unlock();
	long rc = syscall(nr, fd);
	if (rc < 0)
		return rc;
	e.kind = RECORD_SYNC_END;
	begin();
	put(e, NULL, 0);
	return end(rc);
}

int fsync(int fd)
{
	return (int)sync_it(fd, SYS_fsync, false);
}

int fdatasync(int fd)
{
	return (int)sync_it(fd, SYS_fdatasync, true);
}

/* --- names --- */

/* The inode of the folder of a path; *name_r its last part. */
static uint64_t folder_of(int dirfd, const char *path, const char **name_r)
{
	char folder[PATH_MAX];
	const char *slash = strrchr(path, '/');
	struct stat st;
	*name_r = slash ? slash + 1 : path;
	size_t n = slash ? (size_t)(slash - path) : 0;
	if (n >= sizeof(folder))
		return 0;
	memcpy(folder, path, n);
	folder[n] = '\0';
	if (slash && !n)
		strcpy(folder, "/");
	int rc = slash || dirfd == AT_FDCWD
			 ? fstatat(dirfd, folder[0] ? folder : ".", &st, 0)
			 : fstat(dirfd, &st);
	return rc == 0 && st.st_dev == file->device ? st.st_ino : 0;
}

static struct record_event of_inode(enum record_kind kind, const struct stat *st)
{
	return (struct record_event){.kind = (uint16_t)kind,
		.inode = st->st_ino,
		.mode = st->st_mode,
		.uid = st->st_uid,
		.gid = st->st_gid};
}

static void note_name(enum record_kind kind, int dirfd, const char *path, const struct stat *st)
{
	const char *name;
	struct record_event e = of_inode(kind, st);
	e.a = folder_of(dirfd, path, &name);
	if (e.a)
		put(e, name, strlen(name));
}

static int open_it(int dirfd, const char *path, int flags, mode_t mode)
{
	struct stat st;
	bool unnamed = (flags & O_TMPFILE) == O_TMPFILE;
	if (boot_id_path[0] && strcmp(path, "/proc/sys/kernel/random/boot_id") == 0)
		path = boot_id_path;
	if (!file || !(flags & (O_CREAT | O_TRUNC) || unnamed))
		return (int)syscall(SYS_openat, dirfd, path, flags, mode);
	begin();
	int fd = (int)syscall(SYS_openat, dirfd, path, flags, mode);
	int error = errno;
	if (is_file(fd, &st)) {
		if (unnamed)
			put(of_inode(RECORD_CREATE, &st), NULL, 0);
		else if (flags & O_CREAT)
			note_name(RECORD_CREATE, dirfd, path, &st);
		if (flags & O_TRUNC && st.st_nlink)
			put((struct record_event){.kind = RECORD_TRUNCATE, .inode = st.st_ino}, NULL,
				0);
	}
	errno = error;
	return (int)end(fd);
}

#define MODE_ARGUMENT(flags, mode)                              \
	mode_t mode = 0;                                        \
	if ((flags) & O_CREAT || ((flags) & O_TMPFILE) == O_TMPFILE) { \
		va_list ap;                                     \
		va_start(ap, flags);                            \
		mode = va_arg(ap, mode_t);                      \
		va_end(ap);                                     \
	}

int open(const char *path, int flags, ...)
{
	MODE_ARGUMENT(flags, mode)
	return open_it(AT_FDCWD, path, flags, mode);
}
int open64(const char *path, int flags, ...) __attribute__((alias("open")));

int openat(int dirfd, const char *path, int flags, ...)
{
	MODE_ARGUMENT(flags, mode)
	return open_it(dirfd, path, flags, mode);
}
int openat64(int dirfd, const char *path, int flags, ...) __attribute__((alias("openat")));

int mkdirat(int dirfd, const char *path, mode_t mode)
{
	struct stat st;
	if (!file)
		return (int)syscall(SYS_mkdirat, dirfd, path, mode);
	begin();
	long rc = syscall(SYS_mkdirat, dirfd, path, mode);
	if (rc == 0 && fstatat(dirfd, path, &st, AT_SYMLINK_NOFOLLOW) == 0)
		note_name(RECORD_MKDIR, dirfd, path, &st);
	return (int)end(rc);
}

int mkdir(const char *path, mode_t mode)
{
	return mkdirat(AT_FDCWD, path, mode);
}

int linkat(int dirfd, const char *path, int new_dirfd, const char *new_path, int flags)
{
	struct stat st;
	if (!file)
		return (int)syscall(SYS_linkat, dirfd, path, new_dirfd, new_path, flags);
	begin();
	long rc = syscall(SYS_linkat, dirfd, path, new_dirfd, new_path, flags);
	if (rc == 0 && fstatat(new_dirfd, new_path, &st, AT_SYMLINK_NOFOLLOW) == 0)
		note_name(RECORD_LINK, new_dirfd, new_path, &st);
	return (int)end(rc);
}

int link(const char *path, const char *new_path)
{
	return linkat(AT_FDCWD, path, AT_FDCWD, new_path, 0);
}

int unlinkat(int dirfd, const char *path, int flags)
{
	if (!file)
		return (int)syscall(SYS_unlinkat, dirfd, path, flags);
	begin();
	long rc = syscall(SYS_unlinkat, dirfd, path, flags);
	if (rc == 0)
		note_name(RECORD_UNLINK, dirfd, path, &(struct stat){0});
	return (int)end(rc);
}

int unlink(const char *path)
{
	return unlinkat(AT_FDCWD, path, 0);
}

int rmdir(const char *path)
{
	return unlinkat(AT_FDCWD, path, AT_REMOVEDIR);
}

int renameat(int dirfd, const char *path, int new_dirfd, const char *new_path)
{
	if (!file)
		return (int)syscall(SYS_renameat2, dirfd, path, new_dirfd, new_path, 0);
	begin();
	long rc = syscall(SYS_renameat2, dirfd, path, new_dirfd, new_path, 0);
	if (rc == 0) {
		const char *name, *new_name;
		char names[2 * NAME_MAX + 2];
		struct record_event e = {.kind = RECORD_RENAME};
		e.a = folder_of(dirfd, path, &name);
		e.b = folder_of(new_dirfd, new_path, &new_name);
		int n = snprintf(names, sizeof(names), "%s%c%s", name, 0, new_name);
		if (e.a && e.b)
			put(e, names, (size_t)n);
	}
	return (int)end(rc);
}

int rename(const char *path, const char *new_path)
{
	return renameat(AT_FDCWD, path, AT_FDCWD, new_path);
}

/* --- owner and mode --- */

static long note_owner(int fd, long rc)
{
	struct stat st;
	if (rc == 0 && fstat(fd, &st) == 0 && st.st_dev == file->device)
		put(of_inode(RECORD_OWNER, &st), NULL, 0);
	return end(rc);
}

int fchown(int fd, uid_t uid, gid_t gid)
{
	if (!file)
		return (int)syscall(SYS_fchown, fd, uid, gid);
	begin();
	return (int)note_owner(fd, syscall(SYS_fchown, fd, uid, gid));
}

int fchmod(int fd, mode_t mode)
{
	if (!file)
		return (int)syscall(SYS_fchmod, fd, mode);
	begin();
	return (int)note_owner(fd, syscall(SYS_fchmod, fd, mode));
}
