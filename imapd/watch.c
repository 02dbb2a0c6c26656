#include "imapd/watch.h"

#include <sys/eventfd.h>
#include <unistd.h>

#include "io/loop.h"

/* How long a fiber whose sessions have all left may still sit in its wait. */
#define LINGER_MS 30000

struct watch {
	struct imapd *imapd;
	struct account *account;
	const char *id;
	struct list idlers;
	uint64_t seen; /* change counter that was told */
};

struct idler {
	struct list link;
	struct session *session;
};

static void wake(struct watch *w)
{
	uint64_t one = 1;

	list_each (link, &w->idlers) {
		struct session *s = list_entry(link, struct idler, link)->session;
		/* It can't be full: the session empties it each time. */
		if (write(s->wake_fd, &one, sizeof(one)) < 0)
			log_warning("A session in IDLE can't be woken: %m.");
	}
}

static void watch_free(struct watch *w)
{
	hash_remove(w->imapd->watches, span_of(w->id));
	account_close(&w->account);
	mem_free(&w->id);
	mem_free(&w);
}

static void watch_fiber(void *arg)
{
	struct watch *w = arg;

	while (!list_is_empty(&w->idlers)) {
		account_wait(w->account, w->seen, io_deadline(LINGER_MS));
		uint64_t now = account_modseq(w->account);
		if (now != w->seen)
			wake(w);
		w->seen = now;
	}
	watch_free(w);
}

static struct watch *watch_get(struct session *s)
{
	struct watch *w = hash_find(s->imapd->watches, span_of(s->account_id));

	if (w)
		return w;
	w = mem_new(struct watch);
	w->imapd = s->imapd;
	list_init(&w->idlers);
	if (account_open(s->imapd->store, s->account_id, false, &s->limits, &w->account) !=
		STORE_OK) {
		mem_free(&w);
		return NULL;
	}
	w->id = mem_strdup(s->account_id);
	w->seen = account_modseq(w->account);
	hash_set(s->imapd->watches, span_of(w->id), w);
	fiber_start("watch", watch_fiber, w);
	return w;
}

void watch_join(struct session *s)
{
	if (s->wake_fd < 0)
		s->wake_fd = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
	struct watch *w = s->wake_fd < 0 ? NULL : watch_get(s);
	if (!w)
		return;
	s->idler = mem_new(struct idler);
	s->idler->session = s;
	list_add_tail(&w->idlers, &s->idler->link);
}

void watch_leave(struct session *s)
{
	if (!s->idler)
		return;
	list_remove(&s->idler->link);
	mem_free(&s->idler);
}

enum watch_event watch_wait(struct session *s, int64_t deadline)
{
	struct io_want wants[] = {
		{.fd = stream_fd(s->stream), .events = LOOP_READ},
		{.fd = s->wake_fd, .events = LOOP_READ},
	};
	uint64_t count;

	/* Without a watch (no descriptor left, account failed) the client is told at its next
	 * command. */
	int rc = io_wait_any(wants, s->idler ? 2 : 1, deadline);
	if (rc == IO_TIMEOUT)
		return WATCH_TIMEOUT;
	if (wants[0].got || rc < 0)
		return WATCH_INPUT;
	while (read(s->wake_fd, &count, sizeof(count)) > 0)
		;
	return WATCH_CHANGE;
}
