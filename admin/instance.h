/* Starting and stopping the server of a configuration folder. */
#ifndef ADMIN_INSTANCE_H
#define ADMIN_INSTANCE_H

#include "admin/op.h"

#define INSTANCE_START_MS 60000
#define INSTANCE_LATE_MS  10000 /* for services that were not ready when master said that it is */
#define INSTANCE_STOP_MS  60000
#define INSTANCE_LEAVE_MS 5000 /* for a master that was killed to be gone */
#define INSTANCE_SOCKET   "master" /* in run_dir */

/* Waits for one that is ending already. */
bool instance_is_running(struct config *config);

/*
 * Starts master in the background, in a session of its own, with its standard output and error
 * appended to log_path (NULL: /dev/null); returns when every service answers. -1 with call->err:
 * what master said last.
 */
int instance_start(struct op_call *call, struct config *config, const char *log_path);
/* Returns when every process of the instance is gone. kill: at once, as a crash would end them. */
int instance_stop(struct op_call *call, struct config *config, bool kill);
/* Sends master a signal. */
int instance_signal(struct op_call *call, struct config *config, int signo);
/* The running master becomes the binary that is installed now, with its sockets and connections; returns when it has
 * and every service answers. */
int instance_upgrade(struct op_call *call, struct config *config);

#endif
