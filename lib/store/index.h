/*
 * The rows of one mailbox, as of what may be shown. One for each process and mailbox, shared by its
 * views: the checkpoint mapped privately (pages are copied only where rows change) and behind it
 * the rows added since, in blocks that never move, so that a row's address is good as long as the
 * index.
 *
 * A row's slot never changes; expunged rows keep theirs (a view may still show them) and are listed
 * in `gone`. Changed flags are kept in a journal from which each view catches up.
 */
#ifndef STORE_INDEX_H
#define STORE_INDEX_H

#include "base/list.h"
#include "store/log.h"
#include "store/mapping.h"
#include "store/store.h"

/* Flags that changed. What is gone needs no journal: a view compares its own list with `gone`. */
struct change {
	uint32_t from, to; /* slots, both included */
	uint64_t origin;   /* serial of the view that made it; 0 another */
};

struct index {
	uint32_t mailbox;
	uint64_t at;	  /* applied up to this position */
	uint64_t last;	  /* last record of the chain that is in it */
	uint64_t changes; /* the mailbox's count of row changes when the base was made */
	struct mapping map;
	struct msg_row *base; /* in map */
	size_t nbase, n;      /* slots in base, in all */
	struct msg_row **block;
	size_t nblocks;
	ARRAY(uint32_t) gone; /* slots, ascending */
	ARRAY(struct change) journal;
	uint64_t journal_first; /* absolute number of journal.v[0] */
	size_t touched;		/* rows changed since the base: memory, and when to begin again */
	size_t seen_prefix;	/* all rows before this slot are gone or seen */
	struct list views;
	bool damaged;

	/* Only idle.c's, while no view looks. */
	struct account *account;
	struct list idle_link;
	size_t idle_rows;
	int64_t idle_since;
};

/* Entries of the journal that a view which does not sync can hold up; then they become one for all
 * rows. */
#define JOURNAL_MAX 16384
#define INDEX_BLOCK 64 /* rows: what a small mailbox costs */

void index_init(struct index *x, uint32_t mailbox);
void index_fini(struct index *x);

static inline struct msg_row *index_row(const struct index *x, size_t slot)
{
	if (slot < x->nbase)
		return x->base + slot;
	slot -= x->nbase;
	return x->block[slot / INDEX_BLOCK] + slot % INDEX_BLOCK;
}
/* The first slot whose UID is >= uid; x->n when there is none. */
size_t index_slot(const struct index *x, uint32_t uid);
bool index_is_gone(const struct index *x, size_t slot);
/* Entries of gone below the slot. */
size_t index_gone_before(const struct index *x, size_t slot);

/* What it holds is not to be relied on: also found out while reading, when the checkpoint's file fails under its
 * mapping. So who writes a record from its rows asks behind that. */
static inline bool index_is_bad(const struct index *x)
{
	return x->damaged || mapping_is_bad(&x->map);
}

/* Maps the checkpoint: 1, 0 there is none that can be used (the index stays empty), -1 with errno it can't be looked
 * at now. Reads the whole file through (the sum), which also brings it into memory: for helper threads. */
int index_map(struct index *x, int dirfd, const char *account);
/* Applies a record: what of it concerns this mailbox. 0, or -1 damaged. */
int index_apply(struct index *x, const struct record *r, uint64_t origin);
/* Rows as they are, behind the last. */
void index_add_rows(struct index *x, const struct msg_row *rows, size_t n);
/* Follows the mailbox's chain back from `last` to where the index is, and applies what lies
 * between: 0; 1 when a link is broken (then a walk over the whole log has to do it); -1 read error
 * or damage. */
int index_catch_up(struct index *x, struct log *log, uint64_t last);

/* Writes the checkpoint of what the index holds. Blocks. */
int index_write(const struct index *x, int dirfd, const char *account, uint64_t sequence,
	uint64_t changes, int (*sync)(int fd));
/* File name below the account's folder. */
void index_name(char name[32], uint32_t mailbox);
/* When the checkpoint is due for a mailbox of so many messages: row changes behind it. */
static inline uint64_t index_due(uint32_t messages)
{
	return messages / 8 < 256 ? 256 : messages / 8;
}

#endif
