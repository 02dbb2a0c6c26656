/*
 * What takes much memory for as long as its client takes to read it is done by one session of an
 * account at a time: a user's many connections need no more of it than one.
 */
#ifndef IMAPD_ALONE_H
#define IMAPD_ALONE_H

#include "imapd/session.h"

/* Octets from which on it is much. */
#define ALONE_MIN (1024 * 1024)
/* As others may wait: who reads nothing for so long then is taken for gone. */
#define ALONE_STALL_MS 60000

/* Waits for its turn. */
void alone_enter(struct session *s);
void alone_leave(struct session *s);

#endif
