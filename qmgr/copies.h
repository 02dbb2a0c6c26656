/*
 * Messages in memory, for agents that get no segments (rule 6): one sealed copy for all deliveries of a message that are
 * under way, made for the first and gone with the last. A slow host, or a hundred of them, can hold copies for hours, so
 * what large ones take together is limited, and deliveries that need a further one wait for their turn. Small messages
 * need none: there are never more of them than agents have places.
 */
#ifndef QMGR_COPIES_H
#define QMGR_COPIES_H

#include <stdbool.h>
#include <stdint.h>

struct copies;
struct message;
struct qmgr;

#define COPY_SMALL_MAX (256u * 1024) /* octets */

/* Lines that jobs of a destination wait in: the small ones need not wait for the large. */
enum lane { LANE_SMALL, LANE_LARGE, LANES };

/* A message's part. */
struct copy {
	int fd;         /* -1: none */
	unsigned users; /* deliveries under way */
	bool making;
};

struct copies *copies_new(struct qmgr *q);
enum lane copies_lane(const struct message *m);
/* May another delivery of it begin? What is larger than the limit goes when there is no other. */
bool copies_have_room(const struct copies *c, const struct message *m);
/* A delivery begins and ends. */
void copies_hold(struct copies *c, struct message *m);
void copies_leave(struct copies *c, struct message *m);
/* Between the two: 0 with m->copy.fd, -1. May wait when the message is large. */
int copies_make(struct copies *c, struct message *m);

#endif
