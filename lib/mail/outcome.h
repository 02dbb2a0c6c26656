/*
 * What became of a recipient. Every delivery agent answers exactly one outcome for each recipient
 * it was given, whatever happens; an agent that can't say answers FATE_DEFERRED.
 */
#ifndef MAIL_OUTCOME_H
#define MAIL_OUTCOME_H

#include "base/pool.h"

enum fate {
	FATE_DELIVERED, /* in its mailbox, or taken by a program: final */
	FATE_RELAYED,   /* taken by a host that does no DSN: success is reported as "relayed" (RFC 3461 5.2.2) */
	FATE_HANDED_ON, /* taken by a host that does DSN: reporting is its task now */
	FATE_EXPANDED,  /* replaced by other recipients */
	FATE_DEFERRED,  /* try again later */
	FATE_FAILED,    /* never; the sender is told */
};

struct outcome {
	enum fate fate;
	const char *status;     /* RFC 3463: "2.0.0", "4.4.1", "5.1.1" */
	const char *text;       /* one line, the reply of the peer or our reason */
	const char *remote_mta; /* who said so, "" when it is ourselves */
};

/* "delivered", "relayed", "handed-on", "expanded", "deferred", "failed". */
const char *fate_name(enum fate fate);
/* -1 unknown. */
int fate_parse(struct span name, enum fate *fate_r);
/* True when the recipient needs no more work. */
static inline bool fate_is_final(enum fate fate)
{
	return fate != FATE_DEFERRED;
}

struct outcome outcome_make(enum fate fate, const char *status, const char *text);
/* The class digit of status is 2, 4 or 5 as the fate demands, and the form d.d{1,3}.d{1,3}. */
bool outcome_is_valid(const struct outcome *o);
/* The enhanced status at the start of a reply's text, else one made from the reply code (RFC 3463):
 * 550 -> "5.0.0". In the pool. */
const char *outcome_status_of(struct pool *pool, unsigned code, struct span text);

#endif
