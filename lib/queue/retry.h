/* When to try again. Pure: times come in as arguments. */
#ifndef QUEUE_RETRY_H
#define QUEUE_RETRY_H

#include <stdbool.h>
#include <stdint.h>

/* The pause after so many attempts: first, doubled with each further one, at most `most`. Any unit.
 * */
int64_t retry_pause(uint64_t attempts, int64_t first, int64_t most);

/* v changed by up to a tenth either way, always the same for one seed: what failed together is not
 * tried together for ever. */
int64_t retry_spread(int64_t v, uint64_t seed);

/*
 * The pace of deliveries to one destination: how many at once, and whether it is given a rest.
 * Grows by one after as many good deliveries in a row as it is wide, halves with each bad one;
 * after PACE_BAD_MAX bad ones in a row, once its width is one, or at once when the agent says that
 * the host is down, the destination is closed for a pause that doubles until something succeeds.
 */
#define PACE_BAD_MAX 3

struct pace {
	unsigned width, most;
	unsigned good, bad;   /* in a row */
	unsigned closures;    /* since the last good delivery */
	int64_t closed_until; /* 0: open */
};

void pace_init(struct pace *p, unsigned initial, unsigned most);
void pace_good(struct pace *p);
/* pause_first and pause_most in the unit of now. */
void pace_bad(struct pace *p, bool down, int64_t now, int64_t pause_first, int64_t pause_most);
bool pace_is_closed(const struct pace *p, int64_t now);
/* After a closure one delivery probes before the others follow. */
bool pace_allows(const struct pace *p, unsigned busy, int64_t now);

#endif
