/*
 * A SEARCH program (RFC 3501 6.4.4) as a tree. Keys that cost little come first among their
 * siblings, whatever the client's order, so that a reader evaluates left to right and stops early.
 */
#ifndef IMAP_SEARCH_H
#define IMAP_SEARCH_H

#include "imap/seqset.h"

#define IMAP_SEARCH_KEYS_MAX 4000 /* in one program: BAD */

enum search_op {
	SEARCH_AND, /* all of child, child->next ...; none is true */
	SEARCH_OR,
	SEARCH_SEQ, /* set: as written, to be resolved by the caller */
	SEARCH_UID,
	SEARCH_FLAG,    /* has all of flags */
	SEARCH_KEYWORD, /* text */
	SEARCH_SMALLER, /* number */
	SEARCH_LARGER,
	SEARCH_BEFORE, /* internal date, day */
	SEARCH_ON,
	SEARCH_SINCE,
	SEARCH_SENT_BEFORE, /* the Date field's */
	SEARCH_SENT_ON,
	SEARCH_SENT_SINCE,
	SEARCH_HEADER, /* name, text ("" : the field is there) */
	SEARCH_ADDRESS, /* the same of From, To, Cc, Bcc: also in the addresses as the envelope has them */
	SEARCH_BODY,
	SEARCH_TEXT,
};

struct search_key {
	enum search_op op;
	bool negate;
	struct search_key *next, *child;
	struct seqset set;
	unsigned flags;
	uint64_t number;
	int64_t day;
	const char *name; /* as written */
	struct span text; /* as written, in `charset` */
	void *data;       /* the caller's: what it compiled of text */
};

struct search {
	struct search_key *root; /* a SEARCH_AND */
	struct span charset;     /* "" when none was named */
	unsigned needs;          /* 1 << op of every key in it */
};

bool imap_parse_search(struct imap_parse *c, struct search *search_r);

#endif
