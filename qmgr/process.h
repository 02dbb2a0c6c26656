/* From recipients to jobs: aliases expanded, duplicates dropped, each address routed. */
#ifndef QMGR_PROCESS_H
#define QMGR_PROCESS_H

#include "qmgr/message.h"

/* Opens nothing yet; process_start lets its fibers run. */
struct process *process_new(struct qmgr *q);
void process_start(struct process *p);
/* The message waits its turn to be routed. */
void process_enter(struct process *p, struct message *m);

#endif
