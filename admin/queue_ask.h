/* Questions to qmgr, for `thurn queue` and mailq. */
#ifndef ADMIN_QUEUE_ASK_H
#define ADMIN_QUEUE_ASK_H

#include "admin/ask.h"
#include "queue/messages.h"

#define QUEUE_ADMIN "queue-admin"

/* A message's facts as members of a JSON object. */
void queue_put_info(struct op_call *call, struct js *to, const struct queue_message_info *info);

#endif
