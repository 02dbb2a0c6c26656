/* The store of a process: configuration, partitions, and who is in it. */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/log.h"
#include "os/os.h"
#include "store/account.h"
#include "store/open.h"

const char *const special_use_names[USE_COUNT_] = {
	[USE_ALL] = "\\All",
	[USE_ARCHIVE] = "\\Archive",
	[USE_DRAFTS] = "\\Drafts",
	[USE_FLAGGED] = "\\Flagged",
	[USE_JUNK] = "\\Junk",
	[USE_SENT] = "\\Sent",
	[USE_TRASH] = "\\Trash",
};

static const char *const status_texts[] = {
	[STORE_OK] = "Done.",
	[STORE_NOT_FOUND] = "There is no such account, mailbox or message.",
	[STORE_EXISTS] = "A mailbox of that name exists.",
	[STORE_INVALID] = "That name or value can't be.",
	[STORE_DENIED] = "That is not allowed.",
	[STORE_OVER_QUOTA] = "The account is over its quota.",
	[STORE_TOO_MANY] = "That is more than a limit of the message store.",
	[STORE_BUSY] = "The account is busy; try again.",
	[STORE_DISK_FULL] = "The disk is full.",
	[STORE_DAMAGED] = "The files of this account are damaged.",
	[STORE_FAILED] = "The message store met an error of the system.",
};

const char *store_status_text(enum store_status status)
{
	return (unsigned)status < COUNT_OF(status_texts) ? status_texts[status] : "Unknown status.";
}

/* Also one that is there is synced: its maker may have been killed before he came to it. */
static int make_dir(int dirfd, const char *name)
{
	return mkdirat(dirfd, name, 0700) == 0 || errno == EEXIST ? os_sync_dir(dirfd) : -1;
}

static int open_dir(int dirfd, const char *name)
{
	return openat(dirfd, name, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
}

typedef int (*name_fn)(void *arg, int dirfd, const char *name);

/* Calls for each folder in a folder, but hidden ones. */
static int each_folder(int dirfd, name_fn fn, void *arg)
{
	int fd = open_dir(dirfd, ".");
	DIR *dir = fd < 0 ? NULL : fdopendir(fd);
	if (!dir) {
		if (fd >= 0)
			close(fd);
		return -1;
	}
	int rc = 0;
	for (struct dirent *e; rc == 0 && (e = readdir(dir));) {
		struct stat st;
		if (e->d_name[0] != '.' &&
			fstatat(dirfd, e->d_name, &st, AT_SYMLINK_NOFOLLOW) == 0 &&
			S_ISDIR(st.st_mode))
			rc = fn(arg, dirfd, e->d_name);
	}
	closedir(dir);
	return rc;
}

static int add_partition(void *arg, int dirfd, const char *name)
{
	struct store *s = arg;
	for (size_t i = 0; i < s->npartitions; i++)
		if (strcmp(s->partitions[i].name, name) == 0)
			return 0;
	int fd = open_dir(dirfd, name);
	if (fd < 0)
		return -1;
	struct partition *v = pool_array(s->pool, s->npartitions + 1, sizeof(*v));
	if (s->npartitions)
		memcpy(v, s->partitions, s->npartitions * sizeof(*v));
	v[s->npartitions] = (struct partition){.name = pool_strdup(s->pool, name), .fd = fd};
	s->partitions = v;
	s->npartitions++;
	return 0;
}

static int open_partitions(struct store *s)
{
	int dirfd = open_dir(AT_FDCWD, s->conf.dir);
	if (dirfd < 0)
		return -1;
	int rc = make_dir(dirfd, s->conf.partition);
	if (rc == 0)
		rc = add_partition(s, dirfd, s->conf.partition);
	if (rc == 0)
		rc = each_folder(dirfd, add_partition, s);
	close(dirfd);
	return rc;
}

static int open_packs(struct store *s)
{
	int *dirs = mem_alloc(s->npartitions * sizeof(*dirs));
	size_t n = 0;
	for (; n < s->npartitions; n++) {
		if (make_dir(s->partitions[n].fd, "packs") < 0)
			break;
		dirs[n] = open_dir(s->partitions[n].fd, "packs");
		if (dirs[n] < 0)
			break;
	}
	packs_init(&s->packs, dirs, n, s->conf.pack_size, s->sync);
	return n == s->npartitions ? 0 : -1;
}

static void copy_conf(struct store *s, const struct store_conf *conf)
{
	s->conf = *conf;
	s->conf.dir = pool_strdup(s->pool, conf->dir);
	s->conf.partition = pool_strdup(s->pool, conf->partition ? conf->partition : "p0");
	s->conf.default_mailboxes =
		pool_strdup(s->pool, conf->default_mailboxes ? conf->default_mailboxes : "");
	if (!s->conf.pack_size)
		s->conf.pack_size = UINT64_C(1) << 30;
	if (!s->conf.log_segment_size)
		s->conf.log_segment_size = UINT64_C(64) << 20;
	if (s->conf.flag_sync_ms <= 0)
		s->conf.flag_sync_ms = 1000;
}

static _Thread_local char open_error[512]; /* the caller has no pool of ours yet */

int store_open_with(const struct store_conf *conf, int (*sync)(int fd), struct store **store_r,
	const char **err_r)
{
	struct store *s = mem_new(struct store);
	s->pool = pool_new("store");
	s->sync = sync;
	s->inotify = -1;
	s->accounts = hash_new();
	list_init(&s->idle);
	list_init(&s->idle_indexes);
	copy_conf(s, conf);
	char boot[37];
	os_boot_id(boot);
	memcpy(s->boot, boot, sizeof(boot));
	int rc = open_partitions(s);
	int packs = open_packs(s);
	if (rc == 0 && packs == 0) {
		*store_r = s;
		return 0;
	}
	snprintf(open_error, sizeof(open_error), "The message store in %s can't be opened: %s.",
		conf->dir, strerror(errno));
	*err_r = open_error;
	store_close(&s);
	return -1;
}

int store_open(const struct store_conf *conf, struct store **store_r, const char **err_r)
{
	return store_open_with(conf, fdatasync, store_r, err_r);
}

void store_close(struct store **store)
{
	struct store *s = *store;
	if (!s)
		return;
	accounts_close(s);
	loop_timer_remove(&s->idle_timer);
	watch_close(s);
	packs_fini(&s->packs);
	hash_free(&s->accounts);
	for (size_t i = 0; i < s->npartitions; i++)
		close(s->partitions[i].fd);
	pool_free(&s->pool);
	mem_free(store);
}

/* --- all accounts --- */

struct listing {
	struct pool *pool;
	ARRAY(const char *) ids;
	bool inner;
};

static int add_account(void *arg, int dirfd, const char *name)
{
	(void)dirfd;
	struct listing *l = arg;
	*array_add(&l->ids) = pool_strdup(l->pool, name);
	return 0;
}

static int list_folder(void *arg, int dirfd, const char *name)
{
	if (strcmp(name, "packs") == 0)
		return 0;
	int fd = open_dir(dirfd, name);
	if (fd < 0)
		return -1;
	int rc = each_folder(fd, add_account, arg);
	close(fd);
	return rc;
}

static int compare_ids(const void *a, const void *b)
{
	return strcmp(*(const char *const *)a, *(const char *const *)b);
}

enum store_status store_list_accounts(
	struct store *store, struct pool *pool, const char ***v_r, size_t *n_r)
{
	struct listing l = {.pool = pool, .ids = ARRAY_IN(pool)};
	for (size_t i = 0; i < store->npartitions; i++)
		if (each_folder(store->partitions[i].fd, list_folder, &l) < 0)
			return STORE_FAILED;
	if (l.ids.n)
		qsort(l.ids.v, l.ids.n, sizeof(*l.ids.v), compare_ids);
	*v_r = l.ids.v;
	*n_r = l.ids.n;
	return STORE_OK;
}
