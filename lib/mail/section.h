/*
 * IMAP part addressing (RFC 3501 6.4.5): "1.2.HEADER" to an extent of the message. The offsets are
 * kept apart from the parse, in a small table that the summary carries, so that FETCH BODY[1.2]
 * parses nothing.
 */
#ifndef MAIL_SECTION_H
#define MAIL_SECTION_H

#include "mail/mime.h"

enum section_what {
	SECTION_ALL,    /* "" or "1.2" */
	SECTION_HEADER, /* also for HEADER.FIELDS: the header to choose from */
	SECTION_TEXT,
	SECTION_MIME,
};

struct section {
	unsigned char depth; /* numbers used, 0 for the message itself */
	uint32_t path[MIME_DEPTH_MAX];
	enum section_what what;
};

/* "", "HEADER", "TEXT", "1.2", "1.2.MIME", "1.HEADER"; case ignored. With fields also
 * "HEADER.FIELDS" and "HEADER.FIELDS.NOT" (the list after it is the caller's), and *fields_r 1 or 2
 * tells. 0, or -1 when it is no section. fields_r may be NULL. */
int section_parse(struct span text, struct section *section_r, int *fields_r);

/* The table of extents. */
void extents_put(struct str *out, const struct mime *m);

struct extent {
	uint64_t at, len;
	uint32_t part;                /* index in pre-order, for mime's array */
	enum mime_encoding encoding;  /* for BINARY; of the part addressed */
};
/* 1 found, 0 no such part, -1 the table is damaged. */
int extents_find(struct span table, const struct section *section, struct extent *extent_r);

#endif
