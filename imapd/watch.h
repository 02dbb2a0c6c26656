/*
 * One fiber for each account of which some session is in IDLE: it waits for changes and wakes those
 * sessions. A session that idles waits for its client and for the wake-up at once.
 */
#ifndef IMAPD_WATCH_H
#define IMAPD_WATCH_H

#include "imapd/session.h"

/* Before waiting: from now on changes past the account's present state wake the session. */
void watch_join(struct session *s);
void watch_leave(struct session *s);

enum watch_event { WATCH_INPUT, WATCH_CHANGE, WATCH_TIMEOUT };
/* Until the client says something, the account changed, or the deadline. */
enum watch_event watch_wait(struct session *s, int64_t deadline);

#endif
