/*
 * The messages of an APPEND between their arrival and the store. While the client sends they wait in
 * a spill: a command that comes to nothing leaves nothing in the packs, and who is slow, or never
 * comes to the end, holds little memory. Then all are summarised, and stored if the store will have
 * them.
 */
#ifndef IMAPD_INCOMING_H
#define IMAPD_INCOMING_H

#include "base/array.h"
#include "imapd/session.h"
#include "imapd/spill.h"

#define INCOMING_MESSAGES_MAX  5000               /* in one command: LIMIT */
#define INCOMING_SUMMARIES_MAX (62 * 1024 * 1024) /* octets of all their summaries: LIMIT */

struct incoming_message {
	uint64_t at, size; /* in the spill */
	uint64_t keywords; /* bit i: keywords[i] */
	int64_t internal_date;
	int32_t zone;
	uint32_t flags;
};

struct incoming {
	struct session *s;
	struct spill spill;
	ARRAY(struct incoming_message) messages;
	struct pool *pool;
	const char *keywords[MSG_KEYWORDS_MAX]; /* of all messages */
	unsigned nkeywords;
};

void incoming_init(struct incoming *in, struct session *s, struct pool *pool);
void incoming_fini(struct incoming *in);
/* Bits of the keywords; false when they are more, together, than a mailbox can have. */
bool incoming_keywords(struct incoming *in, const char *const *v, size_t n, uint64_t *bits_r);
/* All of them as one change, as mailbox_append. May wait for others with as much to store. */
enum store_status incoming_store(
	struct incoming *in, uint32_t mailbox, uint32_t *first_uid_r, uint32_t *uidvalidity_r);

#endif
