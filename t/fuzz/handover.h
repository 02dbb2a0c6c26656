/*
 * What a login program hands to imapd and pop3d, and what is behind the ticket: an account with one message, in a store of
 * its own that lives as long as the session.
 */
#ifndef FUZZ_HANDOVER_H
#define FUZZ_HANDOVER_H

#include "store/store.h"

/* The store, with the account and the message in its INBOX. */
struct store *handover_open(struct span message);
/* Closes it and removes its files. */
void handover_close(struct store **store);
/* Sends the hand-over: for engine_serve. */
void handover_send(int fd);

#endif
