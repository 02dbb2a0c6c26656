/* What a FETCH asks for (RFC 3501 6.4.5). */
#ifndef IMAP_FETCH_H
#define IMAP_FETCH_H

#include "imap/parse.h"
#include "mail/section.h"

#define IMAP_SECTIONS_MAX 64  /* bodies asked for in one FETCH: BAD */
#define IMAP_FIELDS_MAX   100 /* names in one HEADER.FIELDS: BAD */

enum fetch_item {
	FETCH_UID = 1,
	FETCH_FLAGS = 2,
	FETCH_INTERNALDATE = 4,
	FETCH_SIZE = 8,
	FETCH_ENVELOPE = 16,
	FETCH_BODY = 32, /* without extension data */
	FETCH_BODYSTRUCTURE = 64,
};

struct fetch_section {
	struct section section;
	enum { FETCH_WHOLE, FETCH_FIELDS, FETCH_FIELDS_NOT } fields;
	const struct span *names; /* of the fields */
	size_t nnames;
	/* What a summary can serve: all names are fields that it keeps, and which. */
	bool kept;
	uint32_t kept_mask;
	bool seen;        /* sets \Seen */
	bool partial;
	uint64_t from, count;
	struct span label; /* of the reply: "BODY[1.2]<0>" */
};

struct fetch {
	unsigned items; /* enum fetch_item */
	struct fetch_section *sections;
	size_t nsections;
	bool seen; /* some section sets it */
};

/* One item, a macro (ALL, FAST, FULL) or a list of items. */
bool imap_parse_fetch(struct imap_parse *c, struct fetch *fetch_r);

#endif
