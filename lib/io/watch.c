/*
 * Descriptors known to the loop. Fibers' descriptors are registered once, edge-triggered for both
 * directions, and stay registered: a busy connection costs no epoll_ctl. Callbacks' watches are
 * level-triggered. Each registration carries a generation, so that an event fetched before its
 * descriptor was closed and reused reaches nobody.
 */
#include <errno.h>
#include <sys/epoll.h>
#include <unistd.h>

#include "base/log.h"
#include "base/pool.h"
#include "io/sched.h"

enum { HUNG_UP = 4, CLOSED = 8 }; /* beside LOOP_READ and LOOP_WRITE */

struct fd_slot {
	struct fiber *reader, *writer;
	struct loop_watch *watch;
	uint32_t generation;
	uint8_t seen; /* LOOP_READ: an edge since fd_clear; HUNG_UP stays */
	bool registered;
};

struct loop_watch {
	struct loop *loop;
	int fd, events;
	bool exclusive;
	loop_fd_fn fn;
	void *arg;
};

static struct fd_slot *slot_find(struct loop *loop, int fd)
{
	return loop && fd >= 0 && (size_t)fd < loop->n_slots ? &loop->slots[fd] : NULL;
}

static struct fd_slot *slot_get(struct loop *loop, int fd)
{
	if (fd < 0)
		log_panic("wait for descriptor %d", fd);
	if ((size_t)fd >= loop->n_slots) {
		size_t n = loop->n_slots ? loop->n_slots : 64;
		while (n <= (size_t)fd)
			n *= 2;
		loop->slots = mem_realloc(loop->slots, n * sizeof(struct fd_slot));
		for (size_t i = loop->n_slots; i < n; i++)
			loop->slots[i] = (struct fd_slot){0};
		loop->n_slots = n;
	}
	return &loop->slots[fd];
}

static int control(struct loop *loop, int op, int fd, const struct fd_slot *slot, uint32_t events)
{
	struct epoll_event ev = {
		.events = events,
		.data.u64 = (uint64_t)slot->generation << 32 | (uint32_t)fd,
	};
	return epoll_ctl(loop->epoll_fd, op, fd, &ev);
}

/* --- fibers' descriptors --- */

static int register_fd(struct loop *loop, int fd, struct fd_slot *slot)
{
	uint32_t events = EPOLLIN | EPOLLOUT | EPOLLRDHUP | EPOLLET;
	slot->generation++;
	slot->seen = 0;
	int rc = control(loop, EPOLL_CTL_ADD, fd, slot, events);
	if (rc < 0 && errno == EEXIST) /* fd_forget; modifying reports what is ready again */
		rc = control(loop, EPOLL_CTL_MOD, fd, slot, events);
	slot->registered = rc == 0;
	return rc;
}

static void enlist(struct fd_slot *slot, struct fiber *f, const struct io_want *w)
{
	if ((w->events & LOOP_READ && slot->reader) || (w->events & LOOP_WRITE && slot->writer))
		log_panic("fiber %s waits for descriptor %d as another does", f->name, w->fd);
	if (w->events & LOOP_READ)
		slot->reader = f;
	if (w->events & LOOP_WRITE)
		slot->writer = f;
}

static void delist(struct loop *loop, struct fiber *f, const struct io_want *wants, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		struct fd_slot *slot = slot_find(loop, wants[i].fd);
		if (slot && slot->reader == f)
			slot->reader = NULL;
		if (slot && slot->writer == f)
			slot->writer = NULL;
	}
}

/* 1 registered, 0 of a kind that is always ready (a regular file), -1. */
static int prepare(struct loop *loop, struct fiber *f, struct io_want *w)
{
	struct fd_slot *slot = slot_get(loop, w->fd);
	w->got = 0;
	if (slot->watch)
		log_panic("fiber %s waits for descriptor %d, which has a watch", f->name, w->fd);
	if (!slot->registered && register_fd(loop, w->fd, slot) < 0) {
		if (errno != EPERM)
			return -1;
		w->got = w->events;
		return 0;
	}
	enlist(slot, f, w);
	return 1;
}

static int count_got(const struct io_want *wants, size_t n)
{
	int count = 0;
	for (size_t i = 0; i < n; i++) {
		if (wants[i].got & CLOSED) {
			errno = EBADF;
			return -1;
		}
		count += wants[i].got != 0;
	}
	return count ? count : IO_TIMEOUT;
}

int fd_park(struct loop *loop, struct io_want *wants, size_t n, int64_t deadline)
{
	struct fiber *f = sched_current(loop);
	int rc = 1;
	size_t done = 0;
	while (done < n && rc > 0)
		rc = prepare(loop, f, &wants[done++]);
	if (rc > 0) {
		f->wants = wants;
		f->n_wants = n;
		sched_park(loop, deadline);
		f->wants = NULL;
	}
	delist(loop, f, wants, done);
	return rc < 0 ? -1 : count_got(wants, done);
}

static bool give(struct fiber *f, int fd, int got)
{
	if (!f || !f->parked)
		return false;
	for (size_t i = 0; i < f->n_wants; i++)
		if (f->wants[i].fd == fd)
			f->wants[i].got |= got;
	return true;
}

static void wake_waiters(struct fd_slot *slot, int fd, int events)
{
	/* Told both before either is woken: it may be one fiber. */
	bool reads = events & LOOP_READ && give(slot->reader, fd, LOOP_READ);
	bool writes = events & LOOP_WRITE && give(slot->writer, fd, LOOP_WRITE);
	if (reads)
		sched_wake(slot->reader);
	if (writes)
		sched_wake(slot->writer);
	slot->seen |= events & (LOOP_READ | HUNG_UP);
}

bool fd_hint(int fd)
{
	struct fd_slot *slot = slot_find(loop_peek(), fd);
	return slot && slot->seen;
}

bool fd_is_waited_for(int fd, int events)
{
	struct fd_slot *slot = slot_find(loop_peek(), fd);
	return slot &&
	       ((events & LOOP_READ && slot->reader) || (events & LOOP_WRITE && slot->writer));
}

void fd_clear(int fd)
{
	struct fd_slot *slot = slot_find(loop_peek(), fd);
	if (slot)
		slot->seen &= HUNG_UP;
}

void fd_forget(int fd)
{
	struct fd_slot *slot = slot_find(loop_peek(), fd);
	if (!slot)
		return;
	if (slot->watch || slot->reader || slot->writer)
		log_panic("descriptor %d was closed while it was waited for", fd);
	slot->registered = false;
	slot->seen = 0;
	slot->generation++;
}

void fd_detach(int fd)
{
	struct loop *loop = loop_peek();
	struct fd_slot *slot = slot_find(loop, fd);
	if (!slot)
		return;
	if (slot->watch)
		log_panic("descriptor %d is closed under its watch", fd);
	if (give(slot->reader, fd, CLOSED))
		sched_wake(slot->reader);
	if (give(slot->writer, fd, CLOSED))
		sched_wake(slot->writer);
	if (slot->registered)
		epoll_ctl(loop->epoll_fd, EPOLL_CTL_DEL, fd, NULL);
	slot->reader = slot->writer = NULL;
	slot->registered = false;
	slot->seen = 0;
	slot->generation++;
}

void io_close(int *fd)
{
	if (*fd < 0)
		return;
	fd_detach(*fd);
	close(*fd);
	*fd = -1;
}

/* --- callbacks' watches --- */

static uint32_t watch_bits(const struct loop_watch *w)
{
	uint32_t bits = w->exclusive ? EPOLLEXCLUSIVE : 0;
	bits |= w->events & LOOP_READ ? EPOLLIN : 0;
	bits |= w->events & LOOP_WRITE ? EPOLLOUT : 0;
	return bits;
}

static void watch_register(struct loop_watch *w, struct fd_slot *slot)
{
	slot->generation++;
	if (control(w->loop, EPOLL_CTL_ADD, w->fd, slot, watch_bits(w)) < 0)
		log_panic("descriptor %d can't be watched: %m", w->fd);
}

struct loop_watch *loop_watch_add(int fd, int events, bool exclusive, loop_fd_fn fn, void *arg)
{
	struct loop *loop = loop_get();
	struct fd_slot *slot = slot_get(loop, fd);
	if (slot->watch || slot->reader || slot->writer)
		log_panic("descriptor %d is watched twice", fd);
	if (slot->registered)
		fd_detach(fd);
	struct loop_watch *w = mem_new(struct loop_watch);
	*w = (struct loop_watch){loop, fd, events, exclusive, fn, arg};
	watch_register(w, slot);
	slot->watch = w;
	return w;
}

void loop_watch_set(struct loop_watch *w, int events)
{
	struct fd_slot *slot = slot_get(w->loop, w->fd);
	if (w->events == events)
		return;
	w->events = events;
	if (w->exclusive) { /* the kernel does not modify exclusive ones */
		epoll_ctl(w->loop->epoll_fd, EPOLL_CTL_DEL, w->fd, NULL);
		watch_register(w, slot);
	} else if (control(w->loop, EPOLL_CTL_MOD, w->fd, slot, watch_bits(w)) < 0) {
		log_panic("the watch of descriptor %d can't be changed: %m", w->fd);
	}
}

void loop_watch_remove(struct loop_watch **w)
{
	if (!*w)
		return;
	struct fd_slot *slot = slot_get((*w)->loop, (*w)->fd);
	epoll_ctl((*w)->loop->epoll_fd, EPOLL_CTL_DEL, (*w)->fd, NULL);
	slot->watch = NULL;
	slot->generation++;
	mem_free(w);
}

/* --- events --- */

static int from_epoll(uint32_t bits)
{
	int events = 0;
	if (bits & (EPOLLIN | EPOLLRDHUP | EPOLLHUP | EPOLLERR))
		events |= LOOP_READ;
	if (bits & (EPOLLOUT | EPOLLHUP | EPOLLERR))
		events |= LOOP_WRITE;
	if (bits & (EPOLLRDHUP | EPOLLHUP | EPOLLERR))
		events |= HUNG_UP;
	return events;
}

void watch_dispatch(struct loop *loop, uint64_t key, uint32_t epoll_events)
{
	int fd = (int)(uint32_t)key, events = from_epoll(epoll_events);
	struct fd_slot *slot = slot_find(loop, fd);
	if (!slot || slot->generation != (uint32_t)(key >> 32))
		return;
	struct loop_watch *w = slot->watch;
	if (!w) {
		wake_waiters(slot, fd, events);
		return;
	}
	/* Hang-ups are told as whatever is asked for: the callback meets them in its call. */
	int told = events & w->events;
	if (!told && events & HUNG_UP)
		told = w->events ? w->events : LOOP_READ;
	if (told)
		w->fn(w->arg, fd, told);
}
