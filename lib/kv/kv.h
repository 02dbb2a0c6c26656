/*
 * Ordered tables of byte strings on disk: Berkeley DB 5.3 behind a small interface. One environment
 * (a folder) belongs to one process, which a lock file in it enforces; all calls into the library
 * run on one thread of the environment's own (design rule 24), callers are fibers that wait.
 * Outside fibers it blocks.
 *
 * Changes are made in batches, each atomic. A committed batch survives the death of the process; it
 * survives a power cut when it was committed durable, or once the log was flushed after it (by
 * itself within KV_FLUSH_MS). Batches of several fibers that meet share one transaction and one
 * flush.
 *
 * After a crash kv_open recovers from the log. Pages have checksums; damage is reported, never read
 * as data.
 */
#ifndef KV_KV_H
#define KV_KV_H

#include <stdint.h>

#include "base/pool.h"
#include "base/span.h"

#define KV_TABLES_MAX 32
#define KV_KEY_MAX    1024		 /* octets; a longer key in a batch is a bug: panic */
#define KV_VALUE_MAX  (64 * 1024 * 1024) /* octets */
#define KV_FLUSH_MS   1000

struct kv;

struct kv_conf {
	const char *dir; /* must exist */
	const char *const
		*tables; /* names, NULL at the end; later calls name a table by its index here */
	uint64_t cache_size; /* octets; 0: 8 MiB */
};

/* 0; -1 with *err_r (static) when it can't be opened now: in use, permissions, disk; KV_DAMAGED
 * with *err_r when recovery failed or the environment was condemned: nothing will help but
 * kv_set_aside or a restored copy. */
#define KV_DAMAGED 1
int kv_open(const struct kv_conf *conf, struct kv **kv_r, const char **err_r);
/* Flushes, makes a checkpoint, closes. NULL is fine. */
void kv_close(struct kv **kv);

/* Moves all files of the environment into a sub-folder damaged.<wall seconds>, so that kv_open
 * makes an empty one. 0, or -1 with *err_r; then, or if it is killed on the way, the environment is
 * condemned, and it is to be called again. The environment must be closed. */
int kv_set_aside(const char *path, const char **err_r);
/* Marks the environment, so that the next kv_open answers KV_DAMAGED: for a program that meets
 * damage while it runs and then exits. */
void kv_condemn(const char *path);

/* The value, in the pool: 1 found, 0 none, -1 the database failed (said in the log once; every
 * later call fails as well). */
int kv_get(struct kv *kv, unsigned table, struct span key, struct pool *pool, struct span *value_r);

/* Rows in the order of the keys' bytes. */
struct kv_row {
	struct span key, value;
};
struct kv_range {
	unsigned table;
	struct span from;   /* first key; empty: the table's (or prefix's) beginning */
	bool after;	    /* begin after `from`, for continuing */
	struct span prefix; /* only keys that begin so; empty: all */
	size_t limit;	    /* rows at most; must not be 0 */
	size_t octets;	    /* stop once keys and values take so many; 0: no limit */
	bool keys_only;	    /* values are left empty and not read */
};
/* 0 with rows in the pool, -1 as above. */
int kv_scan(struct kv *kv, const struct kv_range *range, struct pool *pool, struct kv_row **rows_r,
	size_t *n_r);

/* --- changes --- */

/* Keys and values are copied. Later changes of one key in a batch win. */
struct kv_batch;
struct kv_batch *kv_batch_new(struct kv *kv);
void kv_batch_put(struct kv_batch *b, unsigned table, struct span key, struct span value);
void kv_batch_delete(struct kv_batch *b, unsigned table, struct span key); /* absent is fine */
size_t kv_batch_count(const struct kv_batch *b);
void kv_batch_abort(struct kv_batch **b);
/* Applies all of it, or nothing; 0, or -1 as above. Frees the batch. */
int kv_batch_commit(struct kv_batch **b, bool durable);

/* All that was committed before is durable when it returns 0. */
int kv_flush(struct kv *kv);
/* Once true the environment is of no use any more; the process should kv_condemn (if what it holds
 * can be rebuilt) and exit. */
bool kv_is_damaged(const struct kv *kv);

#endif
