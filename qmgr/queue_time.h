/*
 * The time that retries go by. It is the wall clock, except that it never goes back: a clock that
 * is set back an hour must not put every retry off by that hour. Ages of messages (expiry, delay
 * warnings) are the wall clock's, as their arrival is.
 */
#ifndef QMGR_QUEUE_TIME_H
#define QMGR_QUEUE_TIME_H

#include <stdint.h>

struct qmgr;

int64_t queue_time_s(struct qmgr *q);
/* By how much it is ahead of the wall clock now. */
int64_t queue_time_ahead_s(struct qmgr *q);
/* Nothing is put off for longer than that; what was, was so by a clock that was ahead. */
int64_t queue_time_latest_s(struct qmgr *q);

#endif
