#include "os/os.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/random.h>
#include <sys/sendfile.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <unistd.h>

#include "base/codec.h"
#include "base/log.h"
#include "base/pool.h"

#define SENDFILE_MAX (1u << 30) /* octets of one call: the kernel takes no more than 2 GiB */

void os_random(void *p, size_t n)
{
	char *at = p;
	while (n) {
		ssize_t got = getrandom(at, n, 0);
		if (got < 0 && errno != EINTR)
			log_fatal("The kernel gives no randomness: %m.");
		if (got > 0) {
			at += got;
			n -= (size_t)got;
		}
	}
}

int os_pwrite_all(int fd, const void *p, size_t n, uint64_t at)
{
	for (const char *from = p; n;) {
		ssize_t done = pwrite(fd, from, n, (off_t)at);
		if (done < 0 && errno == EINTR)
			continue;
		if (done < 0)
			return -1;
		from += done;
		at += (uint64_t)done;
		n -= (size_t)done;
	}
	return 0;
}

int os_pread_all(int fd, void *p, size_t n, uint64_t at)
{
	for (char *to = p; n;) {
		ssize_t got = pread(fd, to, n, (off_t)at);
		if (got < 0 && errno == EINTR)
			continue;
		if (got <= 0) {
			if (got == 0)
				errno = 0;
			return -1;
		}
		to += got;
		at += (uint64_t)got;
		n -= (size_t)got;
	}
	return 0;
}

int os_write_all(int fd, const void *p, size_t n)
{
	for (const char *from = p; n;) {
		ssize_t done = write(fd, from, n);
		if (done < 0 && errno == EINTR)
			continue;
		if (done < 0)
			return -1;
		from += done;
		n -= (size_t)done;
	}
	return 0;
}

int os_preallocate(int fd, uint64_t from, uint64_t to)
{
	if (to <= from)
		return 0;
	int rc;
	do
		rc = fallocate(fd, 0, (off_t)from, (off_t)(to - from));
	while (rc < 0 && errno == EINTR);
	if (rc == 0 || errno != EOPNOTSUPP)
		return rc;
	struct stat st;
	if (fstat(fd, &st) < 0)
		return -1;
	/* The size at least, so that a write inside it changes no metadata but the blocks. */
	return (uint64_t)st.st_size < to ? ftruncate(fd, (off_t)to) : 0;
}

int os_punch_hole(int fd, uint64_t from, uint64_t len)
{
	int rc = fallocate(fd, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, (off_t)from, (off_t)len);
	return rc < 0 && errno == EOPNOTSUPP ? 0 : rc;
}

int os_sync_dir(int dirfd)
{
	return fsync(dirfd);
}

static int write_new(int fd, const void *p, size_t n, mode_t mode)
{
	return fchmod(fd, mode) < 0 || os_write_all(fd, p, n) < 0 || fsync(fd) < 0 ? -1 : 0;
}

/* Closes and removes what failed half-way; errno stays the cause's. */
static int give_up(int dirfd, const char *name, int fd)
{
	int cause = errno;
	if (fd >= 0)
		close(fd);
	unlinkat(dirfd, name, 0);
	errno = cause;
	return -1;
}

static int replace_through(
	int dirfd, const char *temporary, const char *name, const void *p, size_t n, mode_t mode)
{
	int fd = openat(
		dirfd, temporary, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, 0600);
	if (fd < 0)
		return -1;
	if (write_new(fd, p, n, mode) < 0)
		return give_up(dirfd, temporary, fd);
	if (close(fd) < 0 || renameat(dirfd, temporary, dirfd, name) < 0)
		return give_up(dirfd, temporary, -1);
	return os_sync_dir(dirfd);
}

int os_replace_file(int dirfd, const char *name, const void *p, size_t n, mode_t mode)
{
	unsigned char noise[8];
	struct str temporary = STR_INIT;
	os_random(noise, sizeof(noise));
	str_printf(&temporary, ".%s.", name);
	hex_put(&temporary, span_make(noise, sizeof(noise)));
	int rc = replace_through(dirfd, str_c(&temporary), name, p, n, mode);
	int cause = errno;
	str_fini(&temporary);
	errno = cause;
	return rc;
}

static int read_to_end(int fd, size_t max, struct str *out)
{
	for (;;) {
		size_t room = out->cap > out->len + 1 ? out->cap - out->len - 1 : 4096;
		ssize_t got = read(fd, str_reserve(out, room), room);
		if (got < 0 && errno == EINTR)
			continue;
		if (got <= 0)
			return (int)got;
		out->len += (size_t)got;
		if (out->len > max) {
			errno = EFBIG;
			return -1;
		}
	}
}

int os_read_file(int dirfd, const char *name, size_t max, char **p_r, size_t *n_r)
{
	int fd = openat(dirfd, name, O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		return -1;
	struct str out = STR_INIT;
	struct stat st;
	if (fstat(fd, &st) == 0 && S_ISREG(st.st_mode) && (uint64_t)st.st_size <= max)
		str_reserve(&out, (size_t)st.st_size + 1);
	int rc = read_to_end(fd, max, &out);
	int cause = errno;
	close(fd);
	if (rc < 0) {
		str_fini(&out);
		errno = cause;
		return -1;
	}
	*str_reserve(&out, 1) = '\0';
	*p_r = out.s;
	*n_r = out.len;
	return 0;
}

int os_free_space(int fd, uint64_t *bytes_r)
{
	struct statvfs vfs;
	if (fstatvfs(fd, &vfs) < 0)
		return -1;
	*bytes_r = (uint64_t)vfs.f_bavail * vfs.f_frsize;
	return 0;
}

static int set_lock(int fd, int command, short type)
{
	struct flock lock = {.l_type = type, .l_whence = SEEK_SET};
	int rc;
	do
		rc = fcntl(fd, command, &lock);
	while (rc < 0 && errno == EINTR);
	return rc;
}

int os_lock_try(int fd, bool exclusive)
{
	if (set_lock(fd, F_OFD_SETLK, exclusive ? F_WRLCK : F_RDLCK) == 0)
		return 1;
	return errno == EAGAIN || errno == EACCES ? 0 : -1;
}

int os_lock_wait(int fd, bool exclusive)
{
	return set_lock(fd, F_OFD_SETLKW, exclusive ? F_WRLCK : F_RDLCK);
}

void os_unlock(int fd)
{
	if (set_lock(fd, F_OFD_SETLK, F_UNLCK) < 0)
		log_panic("unlock of descriptor %d: %m", fd);
}

bool os_lock_is_held(int fd)
{
	struct flock lock = {.l_type = F_WRLCK, .l_whence = SEEK_SET};
	return fcntl(fd, F_OFD_GETLK, &lock) == 0 && lock.l_type != F_UNLCK;
}

static int seal(int fd, bool whole)
{
	int seals = F_SEAL_SEAL | F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_WRITE;
	if (whole && fcntl(fd, F_ADD_SEALS, seals) == 0)
		return fd;
	int cause = errno;
	close(fd);
	errno = cause;
	return -1;
}

int os_sealed_memfd(const char *name, const void *p, size_t n)
{
	int fd = memfd_create(name, MFD_CLOEXEC | MFD_ALLOW_SEALING);
	return fd < 0 ? -1 : seal(fd, os_pwrite_all(fd, p, n, 0) == 0);
}

static int send_all(int to, int from, uint64_t at, uint64_t n)
{
	off_t offset = (off_t)at;
	while (n) {
		ssize_t got = sendfile(to, from, &offset, n < SENDFILE_MAX ? n : SENDFILE_MAX);
		if (got < 0 && errno == EINTR)
			continue;
		if (got == 0)
			errno = 0;
		if (got <= 0)
			return -1;
		n -= (uint64_t)got;
	}
	return 0;
}

int os_sealed_memfd_of(const char *name, int from, uint64_t at, uint64_t n)
{
	int fd = memfd_create(name, MFD_CLOEXEC | MFD_ALLOW_SEALING);
	return fd < 0 ? -1 : seal(fd, send_all(fd, from, at, n) == 0);
}
