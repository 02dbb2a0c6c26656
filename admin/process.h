/*
 * The processes of an instance, seen from outside. Whether master lives is told by its lock on the
 * pid file, which it holds until its last descriptor is closed; the number in there may be old. Master
 * is the leader of a session of its own, and every process it starts has the configuration folder on
 * its command line; both together tell whose they are, even after master has died, and never hit a
 * stranger who got an old pid.
 */
#ifndef ADMIN_PROCESS_H
#define ADMIN_PROCESS_H

#include <stdbool.h>
#include <sys/types.h>

#include "params/params.h"

/* What the pid file says, or 0. It may be the pid of a process long gone. */
pid_t process_master_pid(struct config *config);
/* Does somebody hold the pid file's lock? */
bool process_is_locked(struct config *config);
/* Is that process master, at work? False for one that has begun to end, or is still to begin. */
bool process_is_at_work(struct config *config, pid_t master);
/* Sends signo (0: none) to every process of the session that master led; how many there are. */
size_t process_signal_all(struct config *config, pid_t master, int signo);
/* Waits until none is left and the lock is free: 0, or -1 after ms. With signo they are sent it again and again
 * (SIGKILL). */
int process_wait_gone(struct config *config, pid_t master, int signo, int64_t ms);

#endif
