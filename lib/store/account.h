/*
 * An account that this process has open, for the files of lib/store only. One object for all of its
 * sessions; lives on one thread's loop.
 *
 *	account.c   opening, closing
 *	idle.c      the cache of what nobody uses
 *	load.c      files into memory; recovery
 *	follow.c    reading what others wrote; what may be shown
 *	write.c     the lock, one record, making it durable; healing after a failed sync
 *	upkeep.c    checkpoints, the lazy sync
 */
#ifndef STORE_ACCOUNT_H
#define STORE_ACCOUNT_H

#include "io/loop.h"
#include "store/head.h"
#include "store/index.h"
#include "store/log.h"
#include "store/pack.h"
#include "store/store.h"
#include "store/tree.h"

struct partition {
	const char *name;
	int fd;
};

struct store {
	struct pool *pool;
	struct store_conf conf;
	struct partition *partitions; /* [0] is where new accounts go */
	size_t npartitions;
	struct packs packs;
	struct hash *accounts; /* by id; also idle ones */
	struct list idle, idle_indexes; /* oldest first */
	unsigned nidle, nidle_indexes;
	size_t idle_rows; /* of the idle indexes, in memory of our own */
	struct loop_timer *idle_timer;
	char boot[40];
	int (*sync)(int fd); /* fdatasync; tests make it fail */
	int inotify;	     /* -1: not in use */
	struct loop_watch *watch;
	struct hash *watched; /* inotify descriptor -> struct account */
	uint64_t serial;      /* of views */
	int64_t space_looked; /* clock_mono_ms of the last look at the disk */
	bool space_low;
	struct fiber_group busy; /* fibers that work for accounts beside their sessions */
};

/* A record that must not be shown yet. */
struct pending {
	struct list link;
	struct record record; /* ops points behind this struct */
	uint64_t origin;
};

struct account {
	struct store *store;
	char id[ACCOUNT_ID_ROOM];
	unsigned refs;
	struct list idle_link;
	int64_t idle_since; /* clock_mono_ms */
	bool loading, stale; /* stale: memory and files disagree; sessions end, the next open loads
				anew */
	enum store_status load_status;
	struct fiber_cond loaded;

	struct account_limits limits;
	int dirfd;
	struct head head;
	struct log log;
	struct tree live, shown;
	struct list pending;
	struct hash *indexes; /* mailbox id -> struct index */

	struct fiber_mutex mutex; /* before the lock of head.fd */
	struct fiber_cond changed;
	uint64_t waits_ended; /* times */
	unsigned unsynced; /* lazy records since the last sync */
	struct loop_timer *lazy_timer;
	bool upkeep; /* a checkpoint is being made */
	int watch;   /* inotify descriptor, -1 */
	uint64_t damaged; /* ranges found damaged at load */
};

#define IDLE_ACCOUNTS_MAX 128
#define IDLE_INDEXES_MAX  256
#define IDLE_ROWS_MAX     65536 /* of 80 octets and more that are not in a checkpoint's file */
#define IDLE_MS		  (10 * 60 * 1000)

#define LOCK_MS 10000 /* for what has no deadline of its own */

/* account.c: a reference for work beside the sessions; store_close waits for it. */
void account_hold(struct account *a);
void account_release(struct account *a);

/* Out of all tables, synced and freed. Nobody has a reference. */
void account_evict(struct account *a);

/* idle.c */
void idle_account_put(struct account *a); /* may evict it, or another one */
void idle_account_take(struct account *a); /* no harm when it was not there */
void idle_index_put(struct account *a, struct index *x); /* may free it */
void idle_index_take(struct index *x);
/* It is idle, and needs so much more memory that it is to be put again. */
bool idle_index_has_grown(const struct index *x);

/* load.c: fills a->... on a helper thread. */
enum store_status account_load(struct account *a, bool create);
void account_unload(struct account *a);
/* Under the lock: finds the end of the log again from what is in memory (nothing, at load). */
enum store_status account_recover(struct account *a, bool fresh);

/* follow.c */
/* Reads the tail and settles. */
enum store_status account_refresh(struct account *a);
/* The tail up to end, into memory. Under the lock log.direct is set. */
enum store_status account_follow(struct account *a, uint64_t end);
void account_absorb(struct account *a, const struct record *r, uint64_t origin);
/* Shows what has become durable, wakes who waits. */
void account_settle(struct account *a);
/* Does an unshown record touch the rows of this mailbox otherwise than by adding? */
bool account_has_conflict(const struct account *a, uint32_t mailbox);

/* write.c */
/* Takes mutex and lock and reads the rest of the tail. deadline: clock_mono_ms. */
enum store_status account_begin(struct account *a, int64_t deadline);
void account_end(struct account *a);
/* The same, and nothing unshown touches the mailbox's rows. */
enum store_status account_begin_rows(struct account *a, uint32_t mailbox, int64_t deadline);
/* Between begin and end: one record. bytes was started with record_start. end_r: make that durable.
 */
enum store_status account_write(struct account *a, struct str *bytes, enum record_class class,
	uint64_t origin, uint64_t *end_r);
/* All of the log up to the position is durable and shown when this returns STORE_OK. */
enum store_status account_commit(struct account *a, uint64_t upto);
enum store_status store_status_of(int error);
/* Under the lock: the records from..end in new segments, one for each that holds some of them, because the old ones
 * can't be synced. -1 with errno: some are lost, or the disk is full. */
int account_move_tail(struct account *a, uint64_t from, uint64_t end);
/* record_start with the actor and trace of the running fiber; trace NULL: its own. */
void account_start_record(struct str *bytes, const char *trace);
/* Ops that make INBOX and the default mailboxes. */
void account_put_defaults(struct account *a, struct str *bytes);

/* upkeep.c */
void account_flags_written(struct account *a);
/* What is in the log and not synced is to be soon, also if it is another process', which may have been killed. */
void account_watch_tail(struct account *a);
void account_upkeep(struct account *a, uint32_t mailbox); /* checkpoints if due */
enum store_status account_index(struct account *a, uint32_t mailbox, struct index **index_r);
/* A view let go of it. */
void account_index_unused(struct account *a, struct index *x);
int account_write_tree(struct account *a);

/* watch.c */
void watch_account(struct account *a);
void watch_forget(struct account *a);
void watch_close(struct store *store);

static inline void *hash_find_u32(const struct hash *h, uint32_t key)
{
	return hash_find(h, span_make(&key, sizeof(key)));
}

#endif
