/*
 * Which worker gets a connection that has a key (design, section 2, Logins): the one that most likely has at hand what
 * the key stands for. Each worker that is ready scores each key; the highest score wins, so that a worker that comes or
 * goes moves only its own keys. What finds no worker here goes to the listening socket, where whoever is free takes it.
 */
#include <errno.h>
#include <sys/socket.h>
#include <unistd.h>

#include "master/master.h"
#include "service/control.h"

#define TAKE_MS 500 /* for a worker to take what it is passed; then it is given no more until it does */

/* A connection on its way to a worker, on the stack of the fiber that passes it. */
struct taking {
	struct list link;    /* in child->takings */
	struct child *child; /* NULL: it has ended */
	uint32_t id;
	bool taken;
	struct fiber_cond done;
};

static struct supplied *service_of(struct master *m, const char *address)
{
	list_each(l, &m->services)
	{
		struct supplied *s = list_entry(l, struct supplied, link);
		for (size_t i = 0; s->planned && i < s->planned->n_sockets; i++)
			if (strcmp(s->planned->sockets[i]->address, address) == 0)
				return s;
	}
	return NULL;
}

/* Spreads well in all bits, whatever the inputs have in common. */
static uint32_t score(uint32_t key, unsigned slot)
{
	uint64_t x = ((uint64_t)slot << 32 | key) + 0x9e3779b97f4a7c15u;

	x = (x ^ x >> 30) * 0xbf58476d1ce4e5b9u;
	x = (x ^ x >> 27) * 0x94d049bb133111ebu;
	return (uint32_t)(x >> 32);
}

static bool may_get(const struct child *c)
{
	struct supplied *s = c->service;
	struct scoreboard_row *row;

	if (c->state != CH_READY || c->generation != s->generation || !c->line || !c->has_row ||
		c->silent)
		return false;
	row = scoreboard_row(s->master->sb, c->row);
	return row->connections < s->planned->conf.connections;
}

static struct child *pick(struct master *m, const char *address, uint32_t key)
{
	struct supplied *s = service_of(m, address);
	struct child *best = NULL;
	uint32_t most = 0;

	if (!s || s->kind != KIND_MANY)
		return NULL;
	list_each(l, &s->children)
	{
		struct child *c = list_entry(l, struct child, link);
		uint32_t n = score(key, c->slot);
		if (may_get(c) && (!best || n > most)) {
			best = c;
			most = n;
		}
	}
	return best;
}

/* Waits until the worker says that it has the descriptor: one that dies first takes nobody with it. */
static bool is_taken(struct child *c, int fd, uid_t uid, gid_t gid)
{
	struct taking t = {.child = c, .id = ++c->taking_id};
	struct control_take take = {.id = t.id, .uid = (uint32_t)uid, .gid = (uint32_t)gid};
	int64_t deadline = io_deadline(TAKE_MS);

	if (ipc_send(ipc_conn_ipc(c->line), &control_take_msg, 0, &take, &fd, 1) < 0)
		return false;
	list_add_tail(&c->takings, &t.link);
	while (!t.taken && t.child && fiber_wait(&t.done, deadline) == 0)
		;
	if (t.child && !t.taken) {
		list_remove(&t.link);
		t.child->silent = true;
	}
	return t.taken;
}

int pick_connect(struct master *m, const char *address, uint32_t key, uid_t uid, gid_t gid)
{
	struct child *c;
	int pair[2];

	while ((c = pick(m, address, key))) {
		if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0, pair) < 0)
			return -1;
		bool taken = is_taken(c, pair[1], uid, gid);
		close(pair[1]);
		if (taken)
			return pair[0];
		close(pair[0]);
	}
	return -1;
}

void pick_taken(struct child *c, uint32_t id)
{
	c->silent = false;
	list_each(l, &c->takings)
	{
		struct taking *t = list_entry(l, struct taking, link);
		if (t->id != id)
			continue;
		t->taken = true;
		list_remove(&t->link);
		fiber_wake_all(&t->done);
		return;
	}
}

void pick_forget(struct child *c)
{
	while (!list_is_empty(&c->takings)) {
		struct taking *t = list_entry(c->takings.next, struct taking, link);
		t->child = NULL;
		list_remove(&t->link);
		fiber_wake_all(&t->done);
	}
}
