#include "imapd/watch.h"

#include <sys/eventfd.h>
#include <unistd.h>

#include "io/loop.h"

struct watch {
	struct imapd *imapd;
	struct account *account;
	const char *id;
	struct list idlers;
	uint64_t seen; /* change counter that was told */
};

struct idler {
	struct list link;
	struct watch *watch; /* NULL: it has given up */
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

/* Out of the table first: who comes while the account is closed gets another one. */
static void watch_free(struct watch *w)
{
	struct fiber_group *group = &w->imapd->watching;

	hash_remove(w->imapd->watches, span_of(w->id));
	account_close(&w->account);
	mem_free(&w->id);
	mem_free(&w);
	fiber_group_leave(group);
}

/* The account has failed: its sessions are to find out. */
static void give_up(struct watch *w)
{
	wake(w);
	list_each (link, &w->idlers) {
		list_entry(link, struct idler, link)->watch = NULL;
		list_remove(link);
	}
}

static void watch_fiber(void *arg)
{
	struct watch *w = arg;

	while (!list_is_empty(&w->idlers)) {
		bool news = account_wait(w->account, w->seen, IO_FOREVER) == 0;
		uint64_t now = account_modseq(w->account);
		if (news && now == w->seen)
			give_up(w);
		else if (now != w->seen)
			wake(w);
		w->seen = now;
	}
	watch_free(w);
}

static struct watch *find(const struct session *s)
{
	return hash_find(s->imapd->watches, span_of(s->account_id));
}

static struct watch *watch_new(struct session *s, struct account *account, uint64_t seen)
{
	struct watch *w = mem_new(struct watch);

	w->imapd = s->imapd;
	w->account = account;
	w->id = mem_strdup(s->account_id);
	w->seen = seen;
	list_init(&w->idlers);
	hash_set(s->imapd->watches, span_of(w->id), w);
	fiber_group_enter(&s->imapd->watching);
	fiber_start("watch", watch_fiber, w);
	return w;
}

/* One for an account, though opening it waits. */
static struct watch *watch_get(struct session *s)
{
	struct account *account;
	struct watch *w;

	while (!(w = find(s))) {
		if (account_open(s->imapd->store, s->account_id, false, &s->limits, &account) !=
			STORE_OK)
			return NULL;
		uint64_t seen = account_modseq(account);
		if (!find(s))
			return watch_new(s, account, seen);
		account_close(&account);
	}
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
	s->idler->watch = w;
	list_add_tail(&w->idlers, &s->idler->link);
}

void watch_leave(struct session *s)
{
	if (!s->idler)
		return;
	struct watch *w = s->idler->watch;
	list_remove(&s->idler->link);
	mem_free(&s->idler);
	if (w && list_is_empty(&w->idlers))
		account_end_waits(w->account); /* it goes with the last */
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
