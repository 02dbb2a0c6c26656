/*
 * What a login program hands to imapd and pop3d, and what is behind the ticket: an account of its own for each session, with one
 * message.
 */
#ifndef FUZZ_HANDOVER_H
#define FUZZ_HANDOVER_H

#include "store/store.h"

/* Makes the next session's account, with the message in its INBOX; *store is opened when it is NULL. */
void handover_account(struct store **store, struct span message);
/* Every so often closes the store and removes its files. Nobody may have an account open. */
void handover_clean(struct store **store);
/* Sends the hand-over: for engine_serve. */
void handover_send(int fd);

#endif
