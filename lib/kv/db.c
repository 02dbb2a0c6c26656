#include "kv/db.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/log.h"
#include "base/wire.h"
#include "os/os.h"

#define CACHE_DEFAULT (8u * 1024 * 1024)
#define LOG_BUFFER    (256u * 1024)
/* Recovery reads tens of MiB of log a second; checkpoints keep what it must read under two of these
 * files. */
#define LOG_FILE       (8u * 1024 * 1024)
#define CHECKPOINT_KIB 4096
#define PAGE_SIZE                                                                                  \
	4096 /* smaller ones are several times slower, and 4096 is what the disk writes whole */
#define DISK_FULL_LEFT (1024u * 1024)
#define REWRITE_BLOCK  (256u * 1024)

/* No need to sync it: after a power cut the files are what the medium has. */
static void mark_unsynced(const struct env *e)
{
	int fd = openat(e->dir_fd, DB_UNSYNCED_NAME, O_WRONLY | O_CREAT | O_CLOEXEC, 0600);
	if (fd >= 0)
		close(fd);
}

static int failed(struct env *e, int error, const char *what)
{
	if (e->env)
		mark_unsynced(e);
	snprintf(e->error, sizeof(e->error), "%s: %s", what, db_strerror(error));
	/* We pass no invalid arguments: it is what the library found in its files. */
	if (error == DB_PAGE_NOTFOUND || error == DB_VERIFY_BAD || (error == EINVAL && e->env))
		e->damaged = true;
	return -1;
}

static void say_error(const DB_ENV *env, const char *prefix, const char *text)
{
	struct env *e = env->app_private;
	(void)prefix;
	if (strstr(text, "checksum") || strstr(text, "past end of log"))
		e->damaged = true;
	log_warning("kv: %s", text);
}

static bool disk_is_full(const struct env *e)
{
	uint64_t left;
	return os_free_space(e->dir_fd, &left) == 0 && left < DISK_FULL_LEFT;
}

/* Is it the files that are wrong, or the moment? */
static bool means_damage(const struct env *e, int error)
{
	if (e->damaged)
		return true;
	if (error > 0)
		return false; /* EACCES, ENOSPC, EMFILE, EIO ... */
	return !disk_is_full(e);
}

static int lock_folder(struct env *e, const char *dir)
{
	e->dir_fd = open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (e->dir_fd < 0)
		return failed(e, errno, dir);
	e->lock_fd = openat(e->dir_fd, DB_LOCK_NAME, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
	if (e->lock_fd < 0)
		return failed(e, errno, "lock");
	if (os_lock_try(e->lock_fd, true) == 1)
		return 0;
	snprintf(e->error, sizeof(e->error), "%s is in use by another process", dir);
	return -1;
}

static int sync_folder_of(const char *path)
{
	char folder[PATH_MAX];
	const char *slash = strrchr(path, '/');
	int n = snprintf(folder, sizeof(folder), "%.*s", slash ? (int)(slash - path) : 1,
		slash ? path : ".");
	int fd = n < (int)sizeof(folder) ? open(folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC) : -1;
	int rc = fd < 0 ? -1 : os_sync_dir(fd);
	int error = errno;
	if (fd >= 0)
		close(fd);
	errno = error;
	return rc;
}

/* What the library opens files with. It makes a new file for its log while it runs and syncs that,
 * but never the folder: a power cut would take the file's name and with it what was committed since
 * (design rule 9), and leave pages that are newer than the log. */
static int open_file(const char *path, int flags, ...)
{
	va_list ap;
	va_start(ap, flags);
	int mode = va_arg(ap, int); /* it passes one always */
	va_end(ap);
	int fd = open(path, flags | O_CLOEXEC, mode);
	if (fd < 0 || !(flags & O_CREAT) || sync_folder_of(path) == 0)
		return fd;
	int error = errno;
	close(fd);
	errno = error;
	return -1;
}

/* The library tries a sync that failed up to a hundred times, and believes the first that says well. So once one has
 * failed all do, until the process has ended. Thread-local, since the library passes no context: an environment has a
 * thread of its own. */
static _Thread_local int sync_failed;

static int sync_once(int fd)
{
	if (!sync_failed && fdatasync(fd) < 0)
		sync_failed = errno ? errno : EIO;
	errno = sync_failed;
	return sync_failed;
}

static int rewrite(int fd)
{
	char *block = mem_alloc(REWRITE_BLOCK);
	int rc = 0;
	uint64_t at = 0;
	for (ssize_t n; rc == 0 && (n = pread(fd, block, REWRITE_BLOCK, (off_t)at)) != 0; at += (uint64_t)n)
		rc = n < 0 ? -1 : os_pwrite_all(fd, block, (size_t)n, at);
	mem_free(&block);
	return rc;
}

static int sync_file(const struct env *e, const char *name, bool again)
{
	int fd = openat(e->dir_fd, name, O_RDWR | O_CLOEXEC);
	int rc = fd < 0 || (again && rewrite(fd) < 0) ? -1 : fdatasync(fd);
	int error = errno;
	if (fd >= 0)
		close(fd);
	errno = error;
	return rc;
}

/* Of a process that was killed: the library takes what it finds in the log for durable, and recovery writes and syncs
 * pages that would be ahead of the log after a power cut.
 * After a failure: the kernel told of a write that failed once, and what it could not write is now as clean as the
 * rest. A sync alone would say well, so all is written again before (design rule 8). */
static int sync_files(const struct env *e)
{
	bool again = faccessat(e->dir_fd, DB_UNSYNCED_NAME, F_OK, 0) == 0;
	int copy = openat(e->dir_fd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC), rc = 0;
	DIR *dir = copy < 0 ? NULL : fdopendir(copy);
	if (!dir)
		return errno;
	for (struct dirent *d; rc == 0 && (d = readdir(dir));)
		if ((strncmp(d->d_name, "log.", 4) == 0 || (again && env_owns_file(d->d_name))) &&
			sync_file(e, d->d_name, again) < 0)
			rc = errno;
	closedir(dir);
	if (again && rc == 0)
		unlinkat(e->dir_fd, DB_UNSYNCED_NAME, 0);
	return rc;
}

static int open_env(struct env *e, const struct kv_conf *conf)
{
	uint64_t cache = conf->cache_size ? conf->cache_size : CACHE_DEFAULT;
	int rc = db_env_set_func_open(open_file);
	if (rc || (rc = db_env_set_func_fsync(sync_once)) || (rc = db_env_create(&e->env, 0)))
		return rc;
	DB_ENV *env = e->env;
	env->app_private = e;
	env->set_errcall(env, say_error);
	if ((rc = env->set_cachesize(
		     env, (u_int32_t)(cache >> 30), (u_int32_t)(cache & 0x3fffffff), 1)) ||
		(rc = env->set_lg_bsize(env, LOG_BUFFER)) ||
		(rc = env->set_lg_max(env, LOG_FILE)) ||
		(rc = env->set_flags(env, DB_TXN_WRITE_NOSYNC, 1)) ||
		(rc = env->log_set_config(env, DB_LOG_AUTO_REMOVE, 1)))
		return rc;
	return env->open(env, conf->dir,
		DB_CREATE | DB_RECOVER | DB_PRIVATE | DB_INIT_MPOOL | DB_INIT_LOG | DB_INIT_TXN,
		0600);
}

static int open_table(struct env *e, const char *name, DB **db_r)
{
	char file[64];
	snprintf(file, sizeof(file), "%s.db", name);
	int rc = db_create(db_r, e->env, 0);
	if (rc)
		return rc;
	DB *db = *db_r;
	if ((rc = db->set_pagesize(db, PAGE_SIZE)) || (rc = db->set_flags(db, DB_CHKSUM)))
		return rc;
	return db->open(db, NULL, file, NULL, DB_BTREE, DB_CREATE | DB_AUTO_COMMIT, 0600);
}

int env_open(struct env *e, const struct kv_conf *conf)
{
	*e = (struct env){.dir_fd = -1, .lock_fd = -1};
	if (lock_folder(e, conf->dir) < 0)
		return -1;
	if (faccessat(e->dir_fd, DB_DAMAGED_NAME, F_OK, 0) == 0) {
		snprintf(e->error, sizeof(e->error), "%s was found damaged earlier", conf->dir);
		return KV_DAMAGED;
	}
	int rc = sync_files(e);
	if (rc)
		mark_unsynced(e);
	else
		rc = open_env(e, conf);
	for (const char *const *name = conf->tables; rc == 0 && *name; name++, e->tables++) {
		if (e->tables == KV_TABLES_MAX)
			log_panic("kv: more than KV_TABLES_MAX tables");
		rc = open_table(e, *name, &e->db[e->tables]);
		if (rc)
			e->tables++; /* a handle whose open failed must be closed too */
		if (rc)
			break;
	}
	if (rc == 0 && (rc = os_sync_dir(e->dir_fd)) < 0)
		rc = errno;
	if (rc == 0)
		return 0;
	failed(e, rc, conf->dir);
	return means_damage(e, rc) ? KV_DAMAGED : -1;
}

void env_close(struct env *e)
{
	for (size_t i = 0; i < e->tables; i++)
		if (e->db[i])
			e->db[i]->close(e->db[i], 0);
	if (e->env)
		e->env->close(e->env, 0);
	if (e->lock_fd >= 0)
		close(e->lock_fd);
	if (e->dir_fd >= 0)
		close(e->dir_fd);
	*e = (struct env){.dir_fd = -1, .lock_fd = -1};
}

static DBT dbt_of(struct span s)
{
	/* Berkeley DB takes no const, but does not write to what it is given. */
	return (DBT){.data = (void *)(uintptr_t)s.p, .size = (u_int32_t)s.n};
}

int env_get(struct env *e, unsigned table, struct span key, struct str *value)
{
	DBT k = dbt_of(key), v = {0};
	int rc = e->db[table]->get(e->db[table], NULL, &k, &v, 0);
	if (rc == DB_NOTFOUND)
		return 0;
	if (rc)
		return failed(e, rc, "get");
	str_add(value, v.data, v.size);
	return 1;
}

/* Where to begin, given that `from` may be empty or lie before the prefix. */
static int first_row(DBC *c, const struct kv_range *range, DBT *k, DBT *v)
{
	struct span from = range->from.n ? range->from : range->prefix;
	if (!from.n)
		return c->get(c, k, v, DB_FIRST);
	k->data = (void *)(uintptr_t)from.p;
	k->size = (u_int32_t)from.n;
	int rc = c->get(c, k, v, DB_SET_RANGE);
	if (rc == 0 && range->after && span_eq(span_make(k->data, k->size), range->from))
		rc = c->get(c, k, v, DB_NEXT);
	return rc;
}

int env_scan(struct env *e, const struct kv_range *range, struct str *rows, size_t *n_r)
{
	DBC *c;
	DBT k = {0}, v = {.flags = range->keys_only ? DB_DBT_PARTIAL : 0};
	*n_r = 0;
	int rc = e->db[range->table]->cursor(e->db[range->table], NULL, &c, 0);
	if (rc)
		return failed(e, rc, "cursor");
	rc = first_row(c, range, &k, &v);
	while (rc == 0 && span_has_prefix(span_make(k.data, k.size), range->prefix)) {
		put_blob(rows, span_make(k.data, k.size));
		put_blob(rows, span_make(v.data, v.size));
		if (++*n_r >= range->limit || (range->octets && rows->len >= range->octets))
			break;
		rc = c->get(c, &k, &v, DB_NEXT);
	}
	c->close(c);
	return rc == 0 || rc == DB_NOTFOUND ? 0 : failed(e, rc, "scan");
}

int env_begin(struct env *e, struct env_txn *t)
{
	int rc = e->env->txn_begin(e->env, NULL, &t->txn, 0);
	return rc ? failed(e, rc, "begin") : 0;
}

int env_apply(struct env *e, struct env_txn *t, struct span ops)
{
	struct reader r = reader_of(ops);
	while (reader_left(&r) && !r.bad) {
		unsigned op = get_u8(&r), table = get_u8(&r);
		DBT k = dbt_of(get_blob(&r)), v = {0};
		DB *db = e->db[table];
		int rc;
		if (op == OP_PUT) {
			v = dbt_of(get_blob(&r));
			rc = db->put(db, t->txn, &k, &v, 0);
		} else {
			rc = db->del(db, t->txn, &k, 0);
			if (rc == DB_NOTFOUND)
				rc = 0;
		}
		if (rc) {
			failed(e, rc, op == OP_PUT ? "put" : "delete");
			t->txn->abort(t->txn);
			return -1;
		}
	}
	return 0;
}

int env_commit(struct env *e, struct env_txn *t)
{
	int rc = t->txn->commit(t->txn, 0);
	return rc ? failed(e, rc, "commit") : 0;
}

int env_flush(struct env *e)
{
	int rc = e->env->log_flush(e->env, NULL);
	return rc ? failed(e, rc, "flush") : 0;
}

int env_checkpoint(struct env *e, bool force)
{
	int rc =
		e->env->txn_checkpoint(e->env, force ? 0 : CHECKPOINT_KIB, 0, force ? DB_FORCE : 0);
	return rc ? failed(e, rc, "checkpoint") : 0;
}
