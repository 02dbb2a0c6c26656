/* What the two halves of the ledger share: ledger_tables.c says what changes, ledger.c when it is committed and what follows. */
#ifndef QMGR_LEDGER_IMPL_H
#define QMGR_LEDGER_IMPL_H

#include "qmgr/ledger.h"

enum entry_kind { ENTRY_SAVED, ENTRY_FINISHED, ENTRY_CHANGED };

/* What is to be done once the changes that wait are committed. */
struct entry {
	enum entry_kind kind;
	struct message *message; /* SAVED */
	struct segment *segment; /* FINISHED; CHANGED: that has one row less, NULL none */
	uint64_t id, at;	 /* CHANGED: segment and place */
	struct stamp stamp;	 /* FINISHED */
};

typedef ARRAY(struct entry) entries;

struct ledger {
	struct qmgr *q;
	const char *dir;
	struct kv *kv;
	struct kv_batch *batch;	      /* gathers the next commit */
	entries waiting;	      /* for it */
	entries unflushed;	      /* FINISHED: their rows say so, and are to be flushed before the stamps */
	bool durable;		      /* somebody waits for the next commit to be flushed */
	uint64_t gathered, committed; /* numbers of commits */
	struct fiber_cond work, done;
	uint64_t rows;
};

/* For the next commit; it is made soon. */
struct kv_batch *ledger_batch(struct ledger *l);
_Noreturn void ledger_die(struct ledger *l);

extern const char *const ledger_tables[]; /* their names */
void ledger_put_segment(struct kv_batch *b, uint64_t id, uint64_t position, bool own);
/* Children whose parent ended in a crash nobody asks for any more. */
void ledger_sweep_children(struct ledger *l);

#endif
