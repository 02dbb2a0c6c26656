/* Who must be told what: failures, delays, and successes that were asked for (RFC 3461). Never
 * anybody about a report. */
#ifndef QMGR_REPORT_H
#define QMGR_REPORT_H

#include "qmgr/dispatch.h"

/* Makes the report jobs that are due after an attempt; recipients that need none any more are done.
 * late: the attempt was for reports alone, which could not be made before. */
void report_start(struct message *m, bool late);
/* Is there a success that somebody wants to know of and has not been told? */
bool report_owes(const struct message *m);
/* The bounce agent answered for recipient i of a report. */
void report_result(struct message *m, const struct job *job, uint32_t i, const struct outcome *o);

#endif
