/*
 * Header fields of a message (RFC 5322 2.2), read in place: nothing is copied, CRLF and bare LF
 * both end lines, reading is one linear pass. The header ends at the first empty line or with the
 * bytes. A line that is no field and continues none (an mbox "From " line, garbage) is returned
 * with an empty name, so that it can be copied; finders never see it.
 *
 * Writing cannot be used to inject: control octets in values become spaces, and lines break only
 * where the writer folds.
 */
#ifndef MAIL_HEADER_H
#define MAIL_HEADER_H

#include "base/str.h"

/* Columns at which written fields are folded, and the line length that nothing may pass. */
#define HEADER_FOLD_AT  78
#define HEADER_LINE_MAX 998

struct header_field {
	struct span name;  /* without white space before the colon; empty: no field */
	struct span value; /* raw: after the colon, still folded, without the last line end */
	struct span whole; /* all lines with their ends */
};

struct header_reader {
	const char *p, *end;
};

void header_reader_init(struct header_reader *r, struct span message);
/* False at the end of the header; r->p is then where the body starts (after the empty line). */
bool header_read(struct header_reader *r, struct header_field *field_r);

/* Octets of the header, with the empty line that ends it (if there is one). */
size_t header_length(struct span message);

/* The first field of that name: 1 found, 0 none. The value is raw, trimmed. */
int header_find(struct span message, const char *name, struct span *value_r);
unsigned header_count(struct span message, const char *name);

/* A raw value without its folding: line ends taken out, trimmed, NUL dropped. */
void header_put_unfolded(struct str *out, struct span value);

/* Appends "Name: value CRLF", folded where the value has white space. Control octets become spaces.
 * The name must be a field name (a literal of the caller's; checked, panics). */
void header_put(struct str *out, const char *name, struct span value);
/* The same for text of people (a Subject): what isn't ASCII becomes encoded words, or stays
 * UTF-8 with utf8 (an SMTPUTF8 message, RFC 6532). */
void header_put_text(struct str *out, const char *name, struct span text, bool utf8);

/* Takes the next message id "<...>" off a References-like value, brackets included; anything else
 * is skipped. False at the end. */
bool header_next_msgid(struct span *rest, struct span *id_r);

#endif
