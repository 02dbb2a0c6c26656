/* Command lines of POP3 (RFC 1939 section 3, RFC 2449 section 4). */
#ifndef POP3_COMMAND_H
#define POP3_COMMAND_H

#include <stdint.h>

#include "base/span.h"

#define POP3_LINE_MAX 255 /* octets with CRLF, RFC 2449 section 4; SASL answers have their own limit */

struct pop3_command {
	struct span verb; /* letters as they came; compare without case */
	struct span rest; /* everything behind the first blank; may hold blanks (PASS) */
};

/* false when the line has no verb. */
bool pop3_parse_command(struct span line, struct pop3_command *command_r);

/* Arguments of rest: exactly n numbers, 1..UINT32_MAX or 0 where zero_from says so (TOP's second: index 1). */
bool pop3_parse_numbers(struct span rest, uint32_t *v, unsigned n, unsigned zero_from);

#endif
