/*
 * Multi-line replies (RFC 1939 section 3): a dot in front of every line that begins with one, and for TOP only so many
 * lines of the body. Works on pieces of a message in order.
 */
#ifndef POP3_DOTS_H
#define POP3_DOTS_H

#include <stdint.h>

#include "base/str.h"

struct pop3_dots {
	bool limited;        /* TOP */
	uint64_t lines_left; /* of the body */
	/* private */
	bool in_body, done;
	size_t line_octets; /* of the line that goes on */
	char line_first;
};

/* A whole message, or its header and the first `lines` lines of the body. */
void pop3_dots_init(struct pop3_dots *d);
void pop3_dots_init_top(struct pop3_dots *d, uint32_t lines);
/* Adds the stuffed bytes to out; false when TOP has had enough. */
bool pop3_dots_put(struct pop3_dots *d, struct span piece, struct str *out);
/* Ends the last line if need be, and the reply. */
void pop3_dots_end(struct pop3_dots *d, struct str *out);

#endif
