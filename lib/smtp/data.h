/*
 * Message text on the wire (RFC 5321 4.1.1.4 and 4.5.2): reading with its dots taken off, writing
 * with them put on. Both take chunks as they come, wherever they are cut, and return runs of bytes
 * that point into the chunk or to literals: nothing is copied, and every cut gives the same bytes.
 *
 *	while ((step = smtp_data_next(&d, &chunk, &run)) == SMTP_DATA_RUN)
 *		... take run ...
 *
 * Only CRLF.CRLF ends a message. A bare LF counts as a line end in what is returned (CRLF then),
 * but neither before nor after the dot does it help to end the message: smuggling lives on an end
 * that one server sees and the next does not. The reader says in `seen` what it met; whether that
 * is refused, the caller decides at the end. Constant memory.
 */
#ifndef SMTP_DATA_H
#define SMTP_DATA_H

#include <stdint.h>

#include "base/span.h"

/* Longer lines are told as SMTP_SEEN_LONG_LINE: octets without the line end. */
#define SMTP_DATA_LINE_MAX (64 * 1024)

enum smtp_seen {
	SMTP_SEEN_BARE_LF   = 1,
	SMTP_SEEN_BARE_CR   = 2,
	SMTP_SEEN_NUL       = 4,
	SMTP_SEEN_LONG_LINE = 8,
};

enum smtp_data_step { SMTP_DATA_NEED, SMTP_DATA_RUN, SMTP_DATA_END };

struct smtp_data {
	unsigned char state;
	bool raw;          /* BDAT: dots mean nothing */
	unsigned seen;     /* SMTP_SEEN_* */
	uint64_t line;     /* octets of the current line so far */
	uint64_t size;     /* octets returned */
};

void smtp_data_init(struct smtp_data *d);     /* after DATA */
void smtp_data_init_raw(struct smtp_data *d); /* before the first BDAT chunk */
/* Takes from the front of *chunk. END: the message is complete, what follows in *chunk is the next
 * command. NEED: the chunk is used up. */
enum smtp_data_step smtp_data_next(struct smtp_data *d, struct span *chunk, struct span *run_r);
/* After the last BDAT chunk: true when a held-back octet is still to be taken. */
bool smtp_data_finish_raw(struct smtp_data *d, struct span *run_r);

/* The writer. Line ends leave as CRLF whatever they are in the message, a bare CR as a space:
 * nothing is smuggled through us. */
struct smtp_stuff {
	unsigned char state;
};
static inline void smtp_stuff_init(struct smtp_stuff *s)
{
	s->state = 0;
}
/* True while there is a run; false when *chunk is used up. */
bool smtp_stuff_next(struct smtp_stuff *s, struct span *chunk, struct span *run_r);
/* What ends the message: "CRLF.CRLF" or ".CRLF". */
struct span smtp_stuff_end(struct smtp_stuff *s);

#endif
