#ifndef QMGR_BOUNCE_BOUNCE_H
#define QMGR_BOUNCE_BOUNCE_H

#include "agent/agent.h"
#include "params/bounce.h"

/* Makes the report that job->reason asks for. The outcomes say afterwards what became of the
 * report. */
void bounce_deliver(struct service_ctx *svc, struct agent_job *job);

#endif
