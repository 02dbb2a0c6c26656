/*
 * Waiting and blocking work. All results: > 0 or 0 as with the system call; -1 an error (errno kept
 * for the caller's message), IO_TIMEOUT at the deadline.
 */
#ifndef IO_IO_H
#define IO_IO_H

#include <stddef.h>
#include <stdint.h>
#include <sys/socket.h>
#include <sys/types.h>

#include "io/fiber.h"

#define IO_TIMEOUT (-2)

/* Descriptors must be non-blocking in daemons. events: LOOP_READ|LOOP_WRITE of io/loop.h.
 * Returns the ready events, IO_TIMEOUT or -1. */
int io_wait(int fd, int events, int64_t deadline);
/* For several descriptors: how many are ready (got tells which and how), IO_TIMEOUT or -1. */
struct io_want {
	int fd;
	int events;
	int got;
};
int io_wait_any(struct io_want *wants, size_t n, int64_t deadline);
ssize_t io_read(int fd, void *p, size_t n, int64_t deadline);
ssize_t io_write(int fd, const void *p, size_t n, int64_t deadline);
int io_accept(int fd, struct sockaddr_storage *peer_r, socklen_t *len_r, int64_t deadline);
/* Connected non-blocking socket or -1/IO_TIMEOUT; bind_to may be NULL. */
int io_connect(const struct sockaddr *to, socklen_t len, const struct sockaddr *bind_to,
	socklen_t bind_len, int64_t deadline);
int io_connect_unix(const char *path, int64_t deadline);

/* os_send_fds and os_recv_fds that wait. */
ssize_t io_send_fds(
	int sock, const void *p, size_t n, const int *fds, size_t nfds, int64_t deadline);
ssize_t io_recv_fds(int sock, void *p, size_t n, int *fds_r, size_t *nfds_r, int64_t deadline);

/* Ends the waits of other fibers on it with EBADF and closes it; *fd becomes -1.
 * Must be called for a descriptor that was waited on before it is closed elsewhere than through
 * io_close or a stream. */
void io_close(int *fd);

/* Runs fn(arg) on a helper thread and waits for it: for what blocks (fdatasync, a cold read,
 * crypt). Returns fn's value; errno is as fn left it. Where nothing else could run meanwhile
 * (outside fibers, none started) fn is simply called. Threads are started at first use, at most
 * IO_THREADS_MAX; work waits its turn in order. */
#define IO_THREADS_MAX 8
typedef int (*io_call_fn)(void *arg);
int io_call(io_call_fn fn, void *arg);
/* A pool of its own, so that slow work never waits behind, or delays, other work. */
struct io_threads;
struct io_threads *io_threads_new(const char *name, unsigned max);
int io_call_on(struct io_threads *t, io_call_fn fn, void *arg); /* always on one of its threads */
/* Ends its threads, after what is queued is done. */
void io_threads_free(struct io_threads **t);

/* A read of a mapped or opened file that may be cold goes through io_call only when it is: */
ssize_t io_pread(int fd, void *p, size_t n, uint64_t at);

#endif
