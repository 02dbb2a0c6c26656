/* Intrusive doubly linked lists: the link sits in the element, the head is a link to itself. */
#ifndef BASE_LIST_H
#define BASE_LIST_H

#include <stdbool.h>
#include <stddef.h>

struct list {
	struct list *next, *prev;
};

#define container_of(ptr, type, member) ((type *)((char *)(ptr)-offsetof(type, member)))
#define list_entry(ptr, type, member)   container_of(ptr, type, member)

static inline void list_init(struct list *l)
{
	l->next = l->prev = l;
}
static inline bool list_is_empty(const struct list *l)
{
	return l->next == l;
}
static inline void list_add_after(struct list *at, struct list *l)
{
	l->next = at->next;
	l->prev = at;
	at->next->prev = l;
	at->next = l;
}
static inline void list_add_tail(struct list *head, struct list *l)
{
	list_add_after(head->prev, l);
}
/* Safe to call on an element that is in no list (initialised or removed). */
static inline void list_remove(struct list *l)
{
	l->prev->next = l->next;
	l->next->prev = l->prev;
	list_init(l);
}
/* The body may remove the current element. */
#define list_each(pos, head)                                                                       \
	for (struct list *pos = (head)->next, *pos##_next = pos->next; pos != (head);              \
		pos = pos##_next, pos##_next = pos->next)

#endif
