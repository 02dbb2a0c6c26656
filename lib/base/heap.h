/* Intrusive binary heap ordered by a 64-bit key: timers and schedules. Equal keys in any order. */
#ifndef BASE_HEAP_H
#define BASE_HEAP_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct heap_node {
	int64_t key;
	size_t at; /* 1-based place; 0: in no heap */
};

struct heap {
	struct heap_node **v;
	size_t n, cap;
};

void heap_fini(struct heap *h);
void heap_add(struct heap *h, struct heap_node *node, int64_t key);
/* Safe on a node that is in no heap. */
void heap_remove(struct heap *h, struct heap_node *node);
/* The smallest key, or NULL. */
struct heap_node *heap_first(const struct heap *h);
static inline bool heap_has(const struct heap_node *node)
{
	return node->at != 0;
}

#endif
