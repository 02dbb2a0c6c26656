/*
 * The environment as its own thread sees it: plain blocking calls into Berkeley DB. Only kv.c calls
 * these, and only through the environment's thread (during open, too), so nothing here needs a
 * lock; for the same reason the environment has no locking subsystem, no shared region and no
 * free-threaded handles.
 */
#ifndef KV_DB_H
#define KV_DB_H

#include <db.h>

#include "base/str.h"
#include "kv/kv.h"

struct env {
	DB_ENV *env;
	DB *db[KV_TABLES_MAX];
	size_t tables;
	int dir_fd, lock_fd;
	bool damaged; /* the library says that its files are wrong; it is not the disk that is full
		       */
	char error[200];
};

/* As kv_open. */
int env_open(struct env *e, const struct kv_conf *conf);
void env_close(struct env *e);
/* 1, 0, -1; appends the value. */
int env_get(struct env *e, unsigned table, struct span key, struct str *value);
/* Appends each row as two blobs (base/wire.h). */
int env_scan(struct env *e, const struct kv_range *range, struct str *rows, size_t *n_r);

/* One transaction out of several encoded batches (op.h). */
struct env_txn {
	DB_TXN *txn;
};
int env_begin(struct env *e, struct env_txn *t);
int env_apply(struct env *e, struct env_txn *t, struct span ops);
int env_commit(struct env *e, struct env_txn *t);

int env_flush(struct env *e);
/* When a good deal was logged since the last one; force: always. */
int env_checkpoint(struct env *e, bool force);

/* Operations in a batch: u8 op, u8 table, blob key, blob value (put only). */
enum { OP_PUT = 1, OP_DELETE = 2 };

#define DB_LOCK_NAME	 "lock"
#define DB_DAMAGED_NAME	 "damaged"
#define DB_UNSYNCED_NAME "unsynced"

/* Is a file of that name one of the library's? */
bool env_owns_file(const char *name);

#endif
