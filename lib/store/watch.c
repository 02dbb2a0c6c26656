/*
 * Who is told of changes (rule 18): whoever waits watches the account's head with inotify, so that
 * the kernel keeps the list of watchers and forgets them with their process. Writers touch the head
 * after advancing (head_notify). A notice that is lost, or a system without inotify, costs at most
 * the poll.
 */
#include <limits.h>
#include <stdio.h>
#include <sys/inotify.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/log.h"
#include "store/account.h"

#define POLL_MS 30000

static void on_event(void *arg, int fd, int events)
{
	struct store *s = arg;
	(void)events;
	_Alignas(struct inotify_event) char buffer[4096];
	for (ssize_t n; (n = read(fd, buffer, sizeof(buffer))) > 0;) {
		for (char *p = buffer; p < buffer + n;) {
			const struct inotify_event *e = (const void *)p;
			struct account *a = hash_find(s->watched, span_make(&e->wd, sizeof(e->wd)));
			if (a)
				fiber_wake_all(&a->changed);
			p += sizeof(*e) + e->len;
		}
	}
}

static void start(struct store *s)
{
	s->watched = hash_new();
	s->inotify = inotify_init1(IN_NONBLOCK | IN_CLOEXEC);
	if (s->inotify < 0)
		log_warning("inotify can't be used (%m): changes by other processes are seen every "
			    "30 seconds.");
	else
		s->watch = loop_watch_add(s->inotify, LOOP_READ, false, on_event, s);
}

void watch_account(struct account *a)
{
	struct store *s = a->store;
	if (!s->watched)
		start(s);
	if (a->watch >= 0 || s->inotify < 0)
		return;
	char path[40];
	snprintf(path, sizeof(path), "/proc/self/fd/%d", a->head.fd);
	a->watch = inotify_add_watch(s->inotify, path, IN_MODIFY);
	if (a->watch >= 0)
		hash_set(s->watched, span_make(&a->watch, sizeof(a->watch)), a);
}

/* One that was opened anew while sessions still have it shares the watch with its successor, whose it is then. */
void watch_forget(struct account *a)
{
	struct span key = span_make(&a->watch, sizeof(a->watch));
	if (a->watch >= 0 && hash_find(a->store->watched, key) == a) {
		hash_remove(a->store->watched, key);
		inotify_rm_watch(a->store->inotify, a->watch);
	}
	a->watch = -1;
}

void watch_close(struct store *s)
{
	loop_watch_remove(&s->watch);
	if (s->inotify >= 0)
		close(s->inotify);
	s->inotify = -1;
	if (s->watched)
		hash_free(&s->watched);
}

void account_end_waits(struct account *a)
{
	a->waits_ended++;
	fiber_wake_all(&a->changed);
}

int account_wait(struct account *a, uint64_t since, int64_t deadline)
{
	uint64_t before = a->waits_ended;
	watch_account(a);
	for (;;) {
		if (account_refresh(a) != STORE_OK || a->shown.sequence > since)
			return 0;
		int64_t now = clock_mono_ms();
		if (now >= deadline || a->waits_ended != before)
			return -1;
		log_drop_window(&a->log);
		int64_t poll = now + POLL_MS;
		fiber_wait(&a->changed, poll < deadline ? poll : deadline);
	}
}
