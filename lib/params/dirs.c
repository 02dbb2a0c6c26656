/* The folders of an instance and who owns them. Master makes them at start; so does `thurn sandbox`. */
#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "params/params.h"

struct folder {
	const char *path;
	const char *user;
	mode_t mode;
};

static int fail(struct config *config, const char *what, const char *path, const char **err_r)
{
	*err_r = pool_printf(
		config->pool, "The folder %s can't be %s: %s.", path, what, strerror(errno));
	return -1;
}

/* Parents are made with mode 0755 and the caller's ids. */
static int make_parents(struct config *config, const char *path, const char **err_r)
{
	char *copy = pool_strdup(config->pool, path);
	for (char *p = strchr(copy + 1, '/'); p; p = strchr(p + 1, '/')) {
		*p = '\0';
		if (mkdir(copy, 0755) < 0 && errno != EEXIST)
			return fail(config, "made", copy, err_r);
		*p = '/';
	}
	return 0;
}

/* An existing folder is left as it is: its owner may have been changed on purpose. */
static int make_folder(struct config *config, const struct folder *f, const char **err_r)
{
	uid_t uid;
	gid_t gid;
	if (make_parents(config, f->path, err_r) < 0 ||
		config_user(config, f->user, &uid, &gid, err_r) < 0)
		return -1;
	if (mkdir(f->path, 0700) < 0)
		return errno == EEXIST ? 0 : fail(config, "made", f->path, err_r);
	int fd = open(f->path, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	int rc = fd < 0 || (uid != geteuid() && fchown(fd, uid, gid) < 0) || fchmod(fd, f->mode) < 0;
	if (rc)
		fail(config, "given to its user", f->path, err_r);
	if (fd >= 0)
		close(fd);
	return rc ? -1 : 0;
}

int config_make_dirs(struct config *config, const char **err_r)
{
	const struct common_conf *c = &config->common;
	const struct folder folders[] = {
		{c->run_dir, "", 0755},
		{c->queue_dir, "queue", 0711}, /* others pass through it to the drop folder */
		{pool_printf(config->pool, "%s/segments", c->queue_dir), "queue", 0700},
		{pool_printf(config->pool, "%s/db", c->queue_dir), "queue", 0700},
		/* sendmail is set-group-id to drop's group: it adds files; only their owner and the
		 * folder's may remove them. */
		{pool_printf(config->pool, "%s/drop", c->queue_dir), "drop", 01770},
		{c->store_dir, "store", 0700},
		{c->directory_dir, "dir", 0700},
	};
	for (size_t i = 0; i < sizeof(folders) / sizeof(folders[0]); i++)
		if (make_folder(config, &folders[i], err_r) < 0)
			return -1;
	return 0;
}
