#include "qmgr/copies.h"

#include <unistd.h>

#include "os/os.h"
#include "qmgr/dispatch.h"
#include "qmgr/message.h"

struct copies {
	struct qmgr *q;
	uint64_t large; /* octets */
	struct fiber_cond made;
};

struct copies *copies_new(struct qmgr *q)
{
	struct copies *c = mem_new(struct copies);
	c->q = q;
	return c;
}

enum lane copies_lane(const struct message *m)
{
	return m->body_size > COPY_SMALL_MAX ? LANE_LARGE : LANE_SMALL;
}

bool copies_have_room(const struct copies *c, const struct message *m)
{
	return copies_lane(m) == LANE_SMALL || m->copy.users || !c->large ||
	       c->large + m->body_size <= c->q->conf->outgoing_memory;
}

void copies_hold(struct copies *c, struct message *m)
{
	if (m->copy.users++ == 0 && copies_lane(m) == LANE_LARGE)
		c->large += m->body_size;
}

void copies_leave(struct copies *c, struct message *m)
{
	if (--m->copy.users)
		return;
	if (m->copy.fd >= 0)
		close(m->copy.fd);
	m->copy.fd = -1;
	if (copies_lane(m) == LANE_SMALL)
		return;
	c->large -= m->body_size;
	dispatch_kick(c->q->dispatch);
}

static int do_copy(void *arg)
{
	struct message *m = arg;
	m->copy.fd = os_sealed_memfd_of("message", m->segment->fd, m->body_at, m->body_size);
	return m->copy.fd;
}

int copies_make(struct copies *c, struct message *m)
{
	while (m->copy.making)
		fiber_wait(&c->made, IO_FOREVER);
	if (m->copy.fd >= 0)
		return 0;
	if (copies_lane(m) == LANE_SMALL) {
		do_copy(m);
	} else {
		m->copy.making = true;
		io_call(do_copy, m);
		m->copy.making = false;
		fiber_wake_all(&c->made);
	}
	return m->copy.fd < 0 ? -1 : 0;
}
