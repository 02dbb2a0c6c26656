/* A session's picture of one mailbox: which slots of the shared index it shows, and up to where it
 * has caught up. */
#ifndef STORE_VIEW_H
#define STORE_VIEW_H

#include "store/change.h"

struct uid_span {
	uint32_t from, to;
};
#define RECENT_SPANS_MAX 1024 /* of one view; then the oldest two become one */

struct view {
	struct list link; /* in index->views */
	struct account *account;
	struct index *index;
	uint32_t mailbox;
	bool read_only, gone;
	uint64_t serial;
	size_t n;		       /* slots known: index rows 0..n-1 */
	ARRAY(uint32_t) holes;	       /* those of them that are not shown, ascending */
	uint64_t cursor;	       /* in the index's journal, absolute */
	ARRAY(struct uid_span) recent; /* UIDs that are \Recent here, ascending */
	ARRAY(char *) keywords;
	char *name;
	struct mailbox_info info;
};

/* Holes below the slot. */
size_t view_holes_before(const struct view *v, size_t slot);
/* 0-based place in the view to slot. */
size_t view_slot(const struct view *v, size_t place);

#endif
