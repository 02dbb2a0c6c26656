#include "auth/turns.h"

#include "base/hash.h"
#include "base/list.h"
#include "base/pool.h"
#include "io/fiber.h"
#include "io/net.h"

/* One address, as long as somebody asks for it. */
struct address {
	struct span key; /* follows the struct */
	unsigned asking; /* who has a turn, or will have it when he wakes */
	struct list waiting;
};

struct auth_turn {
	struct list link; /* in waiting, until it is its turn */
	struct address *address;
	bool has_turn;
	struct fiber_cond granted;
};

/* All clients of directoryd in a process share it, whoever made them; fibers never leave their thread. */
static _Thread_local struct hash *addresses;

static struct address *find(const char *remote_ip)
{
	unsigned char buf[8];
	struct span key = net_key(remote_ip, buf);
	if (!addresses)
		addresses = hash_new();
	struct address *a = hash_find(addresses, key);
	if (a)
		return a;
	a = mem_alloc(sizeof(*a) + key.n);
	*a = (struct address){.key = span_make(a + 1, key.n)};
	if (key.n)
		memcpy(a + 1, key.p, key.n);
	list_init(&a->waiting);
	hash_set(addresses, a->key, a);
	return a;
}

static void forget_if_unused(struct address *a)
{
	if (a->asking || !list_is_empty(&a->waiting))
		return;
	hash_remove(addresses, a->key);
	mem_free(&a);
	if (hash_count(addresses) == 0)
		hash_free(&addresses);
}

static void grant(struct auth_turn *t)
{
	list_remove(&t->link);
	t->has_turn = true;
	t->address->asking++;
	fiber_wake_all(&t->granted);
}

int auth_turn_take(const char *remote_ip, int64_t deadline, struct auth_turn **turn_r)
{
	struct auth_turn *t = mem_new(struct auth_turn);
	t->address = find(remote_ip);
	list_add_tail(&t->address->waiting, &t->link);
	if (t->address->asking < AUTH_ADDRESS_MAX)
		grant(t);
	while (!t->has_turn && fiber_wait(&t->granted, deadline) == 0)
		;
	*turn_r = t;
	if (t->has_turn)
		return 0;
	list_remove(&t->link);
	forget_if_unused(t->address);
	mem_free(turn_r);
	return -1;
}

void auth_turn_give(struct auth_turn **turn)
{
	struct address *a = (*turn)->address;
	a->asking--;
	mem_free(turn);
	if (!list_is_empty(&a->waiting))
		grant(list_entry(a->waiting.next, struct auth_turn, link));
	forget_if_unused(a);
}
