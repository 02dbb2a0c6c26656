#include "imapd/alone.h"

struct turn {
	struct fiber_mutex mutex;
	unsigned users;
};

void alone_enter(struct session *s)
{
	struct span id = span_of(s->account_id);
	struct turn *t = hash_find(s->imapd->turns, id);

	if (!t) {
		t = mem_new(struct turn);
		hash_set(s->imapd->turns, id, t);
	}
	t->users++;
	fiber_lock(&t->mutex, IO_FOREVER);
	stream_set_timeout(s->stream, ALONE_STALL_MS);
}

void alone_leave(struct session *s)
{
	struct span id = span_of(s->account_id);
	struct turn *t = hash_find(s->imapd->turns, id);

	stream_set_timeout(s->stream, s->imapd->conf->idle_timeout);
	fiber_unlock(&t->mutex);
	if (--t->users)
		return;
	hash_remove(s->imapd->turns, id);
	mem_free(&t);
}
