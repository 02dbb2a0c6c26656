#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/clock.h"
#include "kv/db.h"
#include "kv/kv.h"
#include "os/os.h"

bool env_owns_file(const char *name)
{
	size_t n = strlen(name);
	return strncmp(name, "log.", 4) == 0 || strncmp(name, "__db", 4) == 0 ||
	       (n > 3 && strcmp(name + n - 3, ".db") == 0);
}

static int move_files(int from, int to)
{
	int copy = openat(from, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	DIR *dir = copy < 0 ? NULL : fdopendir(copy);
	if (!dir)
		return -1;
	int rc = 0;
	errno = 0;
	for (struct dirent *d; rc == 0 && (d = readdir(dir)); errno = rc == 0 ? 0 : errno)
		if (env_owns_file(d->d_name))
			rc = renameat(from, d->d_name, to, d->d_name);
	int error = errno;
	closedir(dir);
	errno = error;
	return error ? -1 : 0;
}

static int sync_both(int from, int to)
{
	return os_sync_dir(to) < 0 || os_sync_dir(from) < 0 ? -1 : 0;
}

static int mark(int dir)
{
	int fd = openat(dir, DB_DAMAGED_NAME, O_WRONLY | O_CREAT | O_CLOEXEC, 0600);
	if (fd < 0)
		return -1;
	close(fd);
	return os_sync_dir(dir);
}

/* The mark goes last: before that nobody takes what is left for an environment. */
static int move_all(int dir, int to)
{
	if (mark(dir) < 0 || move_files(dir, to) < 0 || sync_both(dir, to) < 0)
		return -1;
	return renameat(dir, DB_DAMAGED_NAME, to, DB_DAMAGED_NAME) < 0 ? -1 : sync_both(dir, to);
}

int kv_set_aside(const char *path, const char **err_r)
{
	/* As in kv_open: printed at once. */
	static _Thread_local char error[200];
	char name[40];
	int to = -1, dir = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	snprintf(name, sizeof(name), "damaged.%lld", (long long)clock_wall_us());
	if (dir >= 0 && mkdirat(dir, name, 0700) == 0)
		to = openat(dir, name, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	int rc = to < 0 ? -1 : move_all(dir, to);
	if (rc < 0) {
		snprintf(error, sizeof(error), "Moving the files of %s aside failed: %s", path,
			strerror(errno));
		*err_r = error;
	}
	if (to >= 0)
		close(to);
	if (dir >= 0)
		close(dir);
	return rc;
}

void kv_condemn(const char *path)
{
	int dir = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (dir < 0)
		return;
	mark(dir);
	close(dir);
}
