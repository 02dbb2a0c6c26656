/*
 * Services on demand. While such a service has no worker, master watches its sockets; the first connection starts
 * one, which accepts it. Master itself never accepts.
 */
#include "base/log.h"
#include "master/master.h"

static void on_demand(void *arg, int fd, int events)
{
	struct supplied *s = arg;
	(void)fd;
	(void)events;

	demand_unwatch(s);
	s->target = 1;
	s->spare_since = 0;
	log_debug("demand service=%s", s->name);
	supply(s);
	supply_watch_spare(s->master);
}

void demand_watch(struct supplied *s)
{
	for (size_t i = 0; i < s->planned->n_sockets; i++) {
		struct listening *l = s->planned->sockets[i];
		if (!l->watch)
			l->watch = loop_watch_add(l->fd, LOOP_READ, false, on_demand, s);
	}
}

void demand_unwatch(struct supplied *s)
{
	for (size_t i = 0; i < s->planned->n_sockets; i++)
		loop_watch_remove(&s->planned->sockets[i]->watch);
}

void demand_forget_all(struct master *m)
{
	list_each(e, &m->listening)
	{
		loop_watch_remove(&list_entry(e, struct listening, link)->watch);
	}
}
