#include "base/list.h"
#include "local/local.h"

#define BATCH_MAX 64	/* messages in one change */
#define APPEND_MS 30000 /* waiting for the account's lock; then the delivery is put off */

/* A mailbox that somebody appends to; who comes meanwhile waits for the next change. */
struct target {
	struct list waiting;
	bool busy;
	struct fiber_cond done;
	unsigned users;
};

struct waiting {
	struct list link;
	const struct append *what;
	enum store_status status;
	bool done;
};

static struct span key_of(struct str *key, const char *id, uint32_t mailbox)
{
	str_printf(key, "%s/%u", id, mailbox);
	return str_span(key);
}

static struct target *enter(struct local *l, struct span key)
{
	struct target *t = hash_find(l->targets, key);
	if (!t) {
		t = mem_new(struct target);
		list_init(&t->waiting);
		hash_set(l->targets, key, t);
	}
	t->users++;
	return t;
}

static void leave(struct local *l, struct span key, struct target *t)
{
	if (--t->users)
		return;
	hash_remove(l->targets, key);
	mem_free(&t);
}

static enum store_status append(
	struct account *a, uint32_t mailbox, const struct append *v, size_t n)
{
	uint32_t uid, uidvalidity;
	return mailbox_append(a, mailbox, v, n, io_deadline(APPEND_MS), &uid, &uidvalidity);
}

/* All or nothing is the store's rule; when all is too much each may still fit by itself. */
static void append_batch(struct account *a, uint32_t mailbox, struct waiting **w, size_t n)
{
	struct append v[BATCH_MAX];
	for (size_t i = 0; i < n; i++)
		v[i] = *w[i]->what;
	enum store_status status = append(a, mailbox, v, n);
	bool alone = n > 1 && (status == STORE_OVER_QUOTA || status == STORE_TOO_MANY ||
				      status == STORE_INVALID || status == STORE_DISK_FULL);
	for (size_t i = 0; i < n; i++)
		w[i]->status = alone ? append(a, mailbox, &v[i], 1) : status;
}

static void run_batch(struct target *t, struct account *a, uint32_t mailbox)
{
	struct waiting *w[BATCH_MAX];
	size_t n = 0;
	for (; n < BATCH_MAX && !list_is_empty(&t->waiting); n++) {
		w[n] = list_entry(t->waiting.next, struct waiting, link);
		list_remove(&w[n]->link);
	}
	t->busy = true;
	append_batch(a, mailbox, w, n);
	t->busy = false;
	for (size_t i = 0; i < n; i++)
		w[i]->done = true;
	fiber_wake_all(&t->done);
}

enum store_status local_append(struct local *l, struct account *a, const char *id, uint32_t mailbox,
	const struct append *what)
{
	struct str buf = STR_INIT;
	struct span key = key_of(&buf, id, mailbox);
	struct target *t = enter(l, key);
	struct waiting w = {.what = what};
	list_add_tail(&t->waiting, &w.link);
	while (!w.done) {
		if (t->busy)
			fiber_wait(&t->done, IO_FOREVER);
		else
			run_batch(t, a, mailbox);
	}
	leave(l, key, t);
	str_fini(&buf);
	return w.status;
}
