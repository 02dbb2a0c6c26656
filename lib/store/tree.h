/*
 * What an account is apart from its messages' rows: mailboxes with their counters, subscriptions,
 * quota usage, the next ids, the deliveries seen. A pure state machine fed with records; kept as a
 * checkpoint. Each open account has two: `live` (all records) for decisions under the lock, `shown`
 * for readers.
 */
#ifndef STORE_TREE_H
#define STORE_TREE_H

#include "base/hash.h"
#include "store/record.h"
#include "store/seen.h"
#include "store/store.h"

struct mailbox {
	uint32_t id, uidvalidity, uidnext;
	uint8_t use;
	bool noselect;
	uint8_t nkeywords;
	uint32_t messages, unseen, recent, deleted;
	uint32_t recent_upto; /* UIDs up to this are claimed */
	uint64_t size, highest_modseq;
	uint64_t last;	       /* position of the last record that touched its rows; 0 none */
	uint64_t changes;      /* rows touched so far: when a checkpoint is due */
	uint64_t checkpointed; /* not stored: changes when this process last looked at the
				  checkpoint */
	char **keywords;
	char *name;
};

struct tree {
	uint64_t at;	   /* position up to which records are in it */
	uint64_t sequence; /* of the last record */
	uint32_t chain;	   /* of the last record */
	uint32_t next_id, next_uidvalidity;
	uint64_t bytes, messages;      /* quota */
	size_t name_octets;            /* of mailboxes and subscriptions, with a word for each */
	uint64_t added;		       /* octets of log since the checkpoint it was read from */
	ARRAY(struct mailbox *) boxes; /* by id, ascending */
	struct hash *names;	       /* -> struct mailbox */
	struct hash *subscribed;       /* -> anything */
	struct seen *seen;	       /* NULL in a shown tree */
};

void tree_init(struct tree *t, bool with_seen);
void tree_fini(struct tree *t);
void tree_copy(
	struct tree *to, const struct tree *from); /* to is initialised; seen is not copied */

struct mailbox *tree_find(const struct tree *t, uint32_t id);
struct mailbox *tree_find_name(const struct tree *t, const char *name);
/* What a name adds to name_octets. */
size_t tree_name_cost(size_t name_length);
/* Bit of a keyword (case ignored), -1 none. */
int mailbox_keyword(const struct mailbox *m, const char *name);

/* Applies a whole record: 0, or -1 when an operation can't be parsed (then nothing after it is
 * applied). Unknown operations and unknown mailboxes are passed over. */
int tree_apply(struct tree *t, const struct record *r);

/* The checkpoint file's bytes, and back: 0, or -1 damaged (t stays initialised). */
void tree_put(const struct tree *t, const struct seen *seen, const char *account, struct str *out);
int tree_parse(struct tree *t, const char *account, struct span file);

#define TREE_FILE_MAX (512u * 1024 * 1024)

#endif
