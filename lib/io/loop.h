/*
 * The event loop of a thread: descriptors (epoll), timers, signals, work handed over from other
 * threads. Programs see it only in start-up code and in the adapters for libraries that bring their
 * own sockets (DNS, LDAP, curl); protocol code uses fibers and streams.
 */
#ifndef IO_LOOP_H
#define IO_LOOP_H

#include <stdbool.h>
#include <stdint.h>

/* Runs until loop_stop(); returns then, with fibers possibly still parked. */
void loop_run(void);
/* Runs what is ready and due, waiting at most ms; for tools and tests. */
void loop_turn(int64_t ms);
void loop_stop(void);
/* Gives back what this thread's loop holds, before the thread ends (with no fiber left); the next
 * use makes a new one. In the child of a fork it must be called first: it leaves the parent's loop
 * behind. */
void loop_close(void);

enum { LOOP_READ = 1, LOOP_WRITE = 2 };
typedef void (*loop_fd_fn)(void *arg, int fd, int events);
typedef void (*loop_fn)(void *arg);

/* Callbacks run on the loop, outside any fiber: they must not wait (start a fiber if they must).
 * One watch per descriptor; exclusive asks for EPOLLEXCLUSIVE (shared listening sockets). */
struct loop_watch;
struct loop_watch *loop_watch_add(int fd, int events, bool exclusive, loop_fd_fn fn, void *arg);
void loop_watch_set(struct loop_watch *w, int events);
void loop_watch_remove(struct loop_watch **w);

struct loop_timer;
struct loop_timer *loop_timer_add(int64_t ms_from_now, loop_fn fn, void *arg); /* once */
void loop_timer_remove(struct loop_timer **t); /* also frees one that has fired */

/* The handler runs on the loop, not in the signal's context. fn NULL: back to the default. SIGPIPE
 * is ignored from the first use of a loop on. */
void loop_signal(int signo, loop_fn fn, void *arg);

/* From any other thread: run fn(arg) on this loop. */
struct loop;
struct loop *loop_self(void);
void loop_post(struct loop *loop, loop_fn fn, void *arg);

#endif
