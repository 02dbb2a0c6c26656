/*
 * Rows back into memory: when they come due and there is room, and when an operator acts on them.
 * One fiber at a time loads a message, and none loads one whose row is about to go, so that what is
 * in memory is always what the last commit said.
 */
#ifndef QMGR_LOAD_H
#define QMGR_LOAD_H

#include "qmgr/message.h"

struct loader *load_new(struct qmgr *q);
void load_start(struct loader *l);
/* A row became due earlier than known, or one that was passed over can be looked at again. */
void load_kick(struct loader *l, int64_t due_s);

/* The message, from memory or parked from its row (then message_start, a change, or
 * message_put_back has to follow before the caller waits); NULL when there is none any more. */
struct message *load_message(struct loader *l, uint64_t segment, uint64_t at);

/* From when a row says done until it is gone, and its record stamped: nobody may load it, nor take it for a new one. */
void load_block(struct loader *l, uint64_t segment, uint64_t at);
void load_unblock(struct loader *l, uint64_t segment, uint64_t at);
bool load_is_blocked(struct loader *l, uint64_t segment, uint64_t at);

#endif
