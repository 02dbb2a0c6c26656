/*
 * The folders of an instance: who owns them and who may enter. Started by an ordinary user they all are
 * that user's.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/log.h"
#include "master/master.h"
#include "os/os.h"

enum base { QUEUE, STORE, RUN, DIRECTORY };

struct folder {
	enum base base;
	const char *name; /* below base; "": itself */
	const char *user; /* "": root */
	mode_t mode;
};

static const struct folder folders[] = {
	/* base     name        user     mode */
	{RUN,       "",         "",      0755},
	{RUN,       "empty",    "",      0555}, /* for chroot of the login programs */
	{QUEUE,     "",         "",      0755},
	{QUEUE,     "segments", "queue", 0700},
	{QUEUE,     "db",       "queue", 0700},
	{QUEUE,     "drop",     "drop",  03770}, /* sendmail's group adds files (they get it, too), and syncs the folder */
	{STORE,     "",         "store", 0700},
	{DIRECTORY, "",         "dir",   0700},
};

static const char *base_path(const struct common_conf *common, enum base base)
{
	const char *const paths[] = {
		[QUEUE] = common->queue_dir,
		[STORE] = common->store_dir,
		[RUN] = common->run_dir,
		[DIRECTORY] = common->directory_dir,
	};

	return paths[base];
}

/* The name of a folder is on the medium: mail is acknowledged on the strength of it. One who may not
 * read what is above the folders did not make them. */
static int sync_name(struct pool *pool, const char *path)
{
	char *above = pool_strdup(pool, path);
	*strrchr(above, '/') = '\0';
	int fd = open(above[0] ? above : "/", O_RDONLY | O_DIRECTORY | O_CLOEXEC), rc, cause;

	if (fd < 0)
		return errno == EACCES ? 0 : -1;
	rc = os_sync_dir(fd);
	cause = errno;
	close(fd);
	errno = cause;
	return rc;
}

/* The way there: missing folders become root's. */
static int make_parents(struct pool *pool, const char *path)
{
	char *copy = pool_strdup(pool, path);

	for (char *p = strchr(copy + 1, '/'); p; p = strchr(p + 1, '/')) {
		*p = '\0';
		if (mkdir(copy, 0755) == 0 && sync_name(pool, copy) < 0)
			return -1;
		*p = '/';
	}
	return 0;
}

/* By descriptor, so that nothing is followed between the look and the change. */
static int set_owner(int fd, uid_t uid, gid_t gid, mode_t mode)
{
	struct stat st;

	if (fstat(fd, &st) < 0)
		return -1;
	if (geteuid() == 0 && (st.st_uid != uid || st.st_gid != gid) && fchown(fd, uid, gid) < 0)
		return -1;
	return (st.st_mode & 07777) == mode ? 0 : fchmod(fd, mode);
}

/* Also what is there already is synced: who made it may have been killed before he came to that. */
static int make_folder(struct pool *pool, const char *path, uid_t uid, gid_t gid, mode_t mode)
{
	int fd, rc;

	if (make_parents(pool, path) < 0 || (mkdir(path, 0700) < 0 && errno != EEXIST))
		return -1;
	fd = open(path, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	if (fd < 0)
		return -1;
	rc = set_owner(fd, uid, gid, mode) < 0 || os_sync_dir(fd) < 0 || sync_name(pool, path) < 0 ? -1 : 0;
	close(fd);
	return rc;
}

int layout_create(struct config *config, const char **err_r)
{
	for (size_t i = 0; i < COUNT_OF(folders); i++) {
		const struct folder *f = &folders[i];
		const char *base = base_path(&config->common, f->base);
		const char *path = f->name[0] ? pool_printf(config->pool, "%s/%s", base, f->name) : base;
		uid_t uid;
		gid_t gid;

		if (config_user(config, f->user, &uid, &gid, err_r) < 0)
			return -1;
		if (make_folder(config->pool, path, uid, gid, f->mode) < 0) {
			*err_r = pool_printf(config->pool, "The folder %s can't be made: %s.", path,
				strerror(errno));
			return -1;
		}
	}
	return 0;
}
