/* The end, in order: who takes mail and sessions in first, then who delivers, then the queue, then the directory that
 * all of them ask. A rank begins when the one before is gone; until then its sockets are there for those before. */
#include <signal.h>
#include <unistd.h>

#include "base/log.h"
#include "master/master.h"
#include "os/os.h"

static const struct {
	const char *program;
	unsigned rank;
} ranks[] = {
	{"smtp", 1}, {"local", 1}, {"bounce", 1}, {"pipe", 1}, {"process", 1},
	{"imapd", 1}, {"pop3d", 1}, /* behind their login programs */
	{"qmgr", 2},
	{"directoryd", 3},
};

static unsigned rank_of(const char *program)
{
	for (size_t i = 0; i < COUNT_OF(ranks); i++)
		if (strcmp(ranks[i].program, program) == 0)
			return ranks[i].rank;
	return 0;
}

/* -1: nobody is left. */
static int lowest_rank(const struct master *m)
{
	int lowest = -1;

	list_each(l, &m->services)
	{
		struct supplied *s = list_entry(l, struct supplied, link);
		int rank = (int)rank_of(s->program);
		if (!list_is_empty(&s->children) && (lowest < 0 || rank < lowest))
			lowest = rank;
	}
	return lowest;
}

static void close_sockets(struct master *m, int rank)
{
	for (size_t i = 0; i < m->plan->n; i++) {
		struct planned *p = &m->plan->services[i];
		if (m->stop_now || (int)rank_of(p->conf.program) <= rank)
			sockets_close_of(p);
	}
}

static void stop_child(struct master *m, struct child *c)
{
	if (m->stop_now)
		kill(c->pid, SIGKILL);
	else
		child_event(c, EV_STOP);
}

static void stop_rank(struct master *m, int rank)
{
	list_each(ls, &m->services)
	{
		struct supplied *s = list_entry(ls, struct supplied, link);
		if (!m->stop_now && (int)rank_of(s->program) != rank)
			continue;
		list_each(lc, &s->children)
		{
			stop_child(m, list_entry(lc, struct child, link));
		}
	}
}

void master_stop_step(struct master *m)
{
	int rank = lowest_rank(m);

	if (rank < 0) {
		sockets_close_all(m);
		loop_stop();
	} else {
		close_sockets(m, rank);
		stop_rank(m, rank);
	}
}

void master_stop(struct master *m, bool now)
{
	if (m->stopping && (!now || m->stop_now))
		return;
	if (!m->stopping) {
		os_sd_notify("STOPPING=1");
		log_info("stop processes=%u", children_count(m));
	}
	m->stopping = true;
	m->stop_now |= now;
	sockets_ignore(m);
	master_stop_step(m);
}
