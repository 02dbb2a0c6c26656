/* Connections of delivery agents. */
#ifndef QMGR_AGENTS_H
#define QMGR_AGENTS_H

#include "qmgr/dispatch.h"

struct agents *agents_new(struct dispatch *d);
/* Serves one connection on unix:queue-agent. */
void agents_serve(struct qmgr *q, int fd);
/* An agent of this kind that can take a job now; affinity chooses among several. NULL: none. */
struct agent_conn *agents_free(struct agents *a, enum agent_kind kind, uint64_t affinity);
/* Hands it the job, or lets a fiber do so that copies the message first; -1 when the message can't
 * be read (the job is left as it is). */
int agents_send(struct agent_conn *conn, struct job *job);
/* The segment is removed: agents close it. */
void agents_forget_segment(struct dispatch *d, uint64_t id);
/* Once a second: what came before the last second's commit is on record, and agents may forget it.
 * */
void agents_note(struct agents *a);
/* Of jobs under way, for a graceful stop. */
size_t agents_busy(const struct agents *a);

#endif
