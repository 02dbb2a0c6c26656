#include "qmgr/stamps.h"

#include <inttypes.h>
#include <unistd.h>

#include "base/log.h"
#include "io/io.h"
#include "qmgr/ledger.h"
#include "qmgr/spool.h"

void segment_stamp(struct segment *s, const struct stamp *stamp)
{
	*array_add(&s->stamps.pending) = *stamp;
	if (segment_mark_done(s->reader, stamp->at) == 0)
		return;
	log_error("spool: a stamp in segment %016" PRIx64 " failed: %m", s->id);
	s->stamps.again = true;
}

bool segment_has_stamps(const struct segment *s)
{
	return s->stamps.pending.n > 0;
}

/* --- syncing --- */

struct sync {
	int fd;
	struct segment_reader *reader;
	stamp_list stamps;
	bool again;
};

/* On a helper thread: what is not in memory any more has to be read from a medium that fails. */
static int do_sync(void *arg)
{
	const struct sync *y = arg;
	for (size_t i = 0; y->again && i < y->stamps.n; i++)
		if (segment_mark_done(y->reader, y->stamps.v[i].at) < 0)
			return -1;
	return fdatasync(y->fd);
}

/* With those that were made meanwhile: the sync may have failed for them, too. */
static void keep_stamps(struct segment *s, struct sync *y)
{
	struct stamps *t = &s->stamps;
	if (!y->again)
		log_error("spool: segment %016" PRIx64 " can't be synced: %m", s->id);
	if (t->pending.n)
		array_append(&y->stamps, t->pending.v, t->pending.n);
	array_fini(&t->pending);
	t->pending = y->stamps;
	y->stamps = (stamp_list)ARRAY_INIT;
	t->again = t->doubtful = true;
}

int segment_sync(struct segment *s)
{
	struct stamps *t = &s->stamps;
	s->active++; /* so that it stays while we wait */
	fiber_lock(&t->turn, IO_FOREVER);
	struct sync y = {.fd = s->fd, .reader = s->reader, .stamps = t->pending, .again = t->again};
	t->pending = (stamp_list)ARRAY_INIT;
	t->again = false;
	if (io_call(do_sync, &y) < 0)
		keep_stamps(s, &y);
	else
		ledger_forget(s->q->ledger, s, &y.stamps);
	array_fini(&y.stamps);
	int rc = t->doubtful ? -1 : 0;
	fiber_unlock(&t->turn);
	s->active--;
	return rc;
}

int spool_sync_stamps(struct spool *sp)
{
	bool failed = false;
	for (struct list *l = spool_segments(sp)->next; l != spool_segments(sp); l = l->next) {
		struct segment *s = list_entry(l, struct segment, link);
		if (!segment_has_stamps(s))
			continue;
		segment_sync(s); /* and it stays meanwhile */
		failed |= s->stamps.again;
	}
	spool_kick(sp); /* what was kept by us may go */
	return failed ? -1 : 0;
}
