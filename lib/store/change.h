/* What view operations and INBOX renaming share: putting messages into other mailboxes, taking them
 * out. */
#ifndef STORE_CHANGE_H
#define STORE_CHANGE_H

#include "store/account.h"

/* Slots of an index, ascending. */
struct slots {
	ARRAY(uint32_t) v;
};

/* Where copies go: a mailbox of the live tree, or one that the same record makes. */
struct copy_target {
	uint32_t mailbox, uidnext;
	uint64_t last;
	const struct mailbox *live; /* NULL: being made */
	unsigned nkeywords;
};
struct copy_target copy_target_of(const struct mailbox *live);

/* Under the lock: ops that add the rows of the slots to the target, in their order. */
enum store_status change_put_copy(struct str *bytes, const struct index *x,
	const struct mailbox *from, const struct slots *slots, struct copy_target *to);
/* Under the lock: the op that removes them. */
void change_put_expunge(struct str *bytes, const struct index *x, const struct mailbox *from,
	const struct slots *slots);
/* Keywords of one record: what the mailbox knows and what the record adds. */
struct keyword_set {
	const struct mailbox *m;
	unsigned count;
	const char *fresh[MSG_KEYWORDS_MAX]; /* from [m->nkeywords] on */
};
/* Bits of the keywords; new ones get an op. STORE_INVALID, STORE_TOO_MANY. */
enum store_status change_put_keywords(struct str *bytes, struct keyword_set *set,
	const char *const *v, size_t n, uint64_t *bits_r);
/* Bits of those that are known; nothing is added. */
uint64_t change_find_keywords(const struct mailbox *m, const char *const *v, size_t n);
/* Would this much more be over the owner's limits? */
bool change_is_over_quota(const struct account *a, uint64_t bytes, uint64_t messages);
/* Ends the change that begin started: writes the record when status is STORE_OK, unlocks, makes it
 * durable. */
enum store_status change_finish(struct account *a, struct str *bytes, enum store_status status);

#endif
