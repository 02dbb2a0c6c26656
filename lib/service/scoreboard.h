/*
 * Memory that master and all workers share: a row for each worker, and how many connections each address
 * has over all of them. Everything in it is a number and only a hint: a worker gone mad can spoil counts,
 * nothing else.
 */
#ifndef SERVICE_SCOREBOARD_H
#define SERVICE_SCOREBOARD_H

#include <stdatomic.h>
#include <stdint.h>
#include <sys/socket.h>

#include "base/span.h"
#include "service/service.h"

#define SCOREBOARD_ROWS      2048
#define SCOREBOARD_ADDRESSES 32768 /* (address, worker) pairs at once; more go uncounted */

struct scoreboard_row {
	_Atomic uint32_t pid;
	_Atomic uint32_t connections;
	_Atomic uint64_t served;  /* connections accepted */
	_Atomic uint64_t refused; /* over the limit of their address */
	_Atomic uint64_t counters[SERVICE_COUNTERS];
};

struct scoreboard;

/* A new one; *fd_r is what workers map. -1 with *err_r. */
int scoreboard_create(struct scoreboard **sb_r, int *fd_r, const char **err_r);
/* Maps one; -1 when the descriptor is none, or another release's. */
int scoreboard_map(int fd, struct scoreboard **sb_r, const char **err_r);
struct scoreboard_row *scoreboard_row(struct scoreboard *sb, unsigned row);

/* Zeroes a row and what its worker held; master, when the worker has ended. */
void scoreboard_clear(struct scoreboard *sb, unsigned row);

/* One connection more from the address to the service in this worker: how many it has now over all workers.
 * IPv6 addresses count by their /64. 0: not counted (the table is full around there). */
unsigned scoreboard_address_add(struct scoreboard *sb, unsigned row, const char *service,
	const struct sockaddr *sa);
void scoreboard_address_remove(struct scoreboard *sb, unsigned row, const char *service,
	const struct sockaddr *sa);

#endif
