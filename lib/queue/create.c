#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/num.h"
#include "os/os.h"
#include "queue/segment.h"

#define NEW_PREFIX "new."
#define TRIES_MAX  8

void segment_name(uint64_t id, char name_r[SEGMENT_NAME_LEN + 1])
{
	snprintf(name_r, SEGMENT_NAME_LEN + 1, "%016llx.seg", (unsigned long long)id);
}

bool segment_name_parse(const char *name, uint64_t *id_r)
{
	char again[SEGMENT_NAME_LEN + 1];
	if (strlen(name) != SEGMENT_NAME_LEN || !num_parse_hex(span_make(name, 16), id_r))
		return false;
	segment_name(*id_r, again);
	return strcmp(name, again) == 0;
}

/* Seconds keep ids in order of age, random bits keep them unique when the clock is set back. */
static uint64_t make_id(void)
{
	uint32_t random;
	os_random(&random, sizeof(random));
	return (uint64_t)clock_wall_s() << 32 | random; /* master counts from 1: these lie above */
}

/* A name that nobody gave a segment yet, if its maker is dead (the lock can be had). */
static void remove_leftover(int dirfd, const char *name)
{
	int fd = openat(dirfd, name, O_RDWR | O_CLOEXEC | O_NOFOLLOW);
	if (fd < 0)
		return;
	if (os_lock_try(fd, true) == 1)
		unlinkat(dirfd, name, 0);
	close(fd);
}

static void remove_leftovers(int dirfd)
{
	int copy = openat(dirfd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	DIR *dir = copy < 0 ? NULL : fdopendir(copy);
	for (struct dirent *d; dir && (d = readdir(dir));)
		if (strncmp(d->d_name, NEW_PREFIX, strlen(NEW_PREFIX)) == 0)
			remove_leftover(dirfd, d->d_name);
	if (dir)
		closedir(dir);
}

/* Lock first, then the name: who finds the name finds the lock taken. */
static int lock_and_name(int fd, int dirfd, const char *temporary, const char *name)
{
	if (os_lock_try(fd, true) != 1)
		return -1;
	if (linkat(dirfd, temporary, dirfd, name, 0) < 0)
		return -1;
	return unlinkat(dirfd, temporary, 0) < 0 || os_sync_dir(dirfd) < 0 ? -1 : 0;
}

static int create_one(int dirfd, mode_t mode, uint64_t id)
{
	char name[SEGMENT_NAME_LEN + 1], temporary[sizeof(NEW_PREFIX) + SEGMENT_NAME_LEN];
	segment_name(id, name);
	snprintf(temporary, sizeof(temporary), NEW_PREFIX "%s", name);
	int fd = openat(dirfd, temporary, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, mode);
	if (fd < 0)
		return -1;
	if (lock_and_name(fd, dirfd, temporary, name) == 0)
		return fd;
	int error = errno;
	unlinkat(dirfd, temporary, 0);
	close(fd);
	errno = error;
	return -1;
}

int segment_create(int dirfd, mode_t mode, uint64_t *id_r, const char **err_r)
{
	/* One sentence per thread, printed or copied at once. */
	static _Thread_local char error[120];
	remove_leftovers(dirfd);
	for (int i = 0; i < TRIES_MAX; i++) {
		*id_r = make_id();
		int fd = create_one(dirfd, mode, *id_r);
		if (fd >= 0)
			return fd;
		if (errno != EEXIST)
			break;
	}
	snprintf(error, sizeof(error), "A spool segment can't be created: %s", strerror(errno));
	*err_r = error;
	return -1;
}
