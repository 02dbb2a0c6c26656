#include "base/heap.h"

#include "base/pool.h"

void heap_fini(struct heap *h)
{
	mem_free(&h->v);
	h->n = h->cap = 0;
}

static void place(struct heap *h, size_t at, struct heap_node *node)
{
	h->v[at - 1] = node;
	node->at = at;
}

static void sift_up(struct heap *h, struct heap_node *node, size_t at)
{
	while (at > 1 && h->v[at / 2 - 1]->key > node->key) {
		place(h, at, h->v[at / 2 - 1]);
		at /= 2;
	}
	place(h, at, node);
}

static void sift_down(struct heap *h, struct heap_node *node, size_t at)
{
	for (size_t child; (child = at * 2) <= h->n; at = child) {
		if (child < h->n && h->v[child]->key < h->v[child - 1]->key)
			child++;
		if (h->v[child - 1]->key >= node->key)
			break;
		place(h, at, h->v[child - 1]);
	}
	place(h, at, node);
}

void heap_add(struct heap *h, struct heap_node *node, int64_t key)
{
	if (h->n == h->cap) {
		h->cap = h->cap ? h->cap * 2 : 16;
		h->v = mem_realloc(h->v, h->cap * sizeof(struct heap_node *));
	}
	node->key = key;
	h->n++;
	sift_up(h, node, h->n);
}

void heap_remove(struct heap *h, struct heap_node *node)
{
	if (!node->at)
		return;
	size_t at = node->at;
	struct heap_node *last = h->v[--h->n];
	node->at = 0;
	if (last == node)
		return;
	if (at > 1 && h->v[at / 2 - 1]->key > last->key)
		sift_up(h, last, at);
	else
		sift_down(h, last, at);
}

struct heap_node *heap_first(const struct heap *h)
{
	return h->n ? h->v[0] : NULL;
}
