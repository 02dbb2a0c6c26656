/*
 * Trace ids: one for each message from TCP accept on, in every log line and record about it. 16
 * characters of Crockford's base 32, 11 of time (microseconds), 5 random: sorted as text they are
 * sorted by time.
 */
#ifndef MAIL_TRACE_H
#define MAIL_TRACE_H

#include <stdint.h>

#include "base/span.h"

#define TRACE_ID_LEN 16

struct trace_id {
	char s[TRACE_ID_LEN + 1]; /* NUL-terminated; "" for none */
};

struct trace_id trace_id_make(int64_t wall_us);
/* false when it is no trace id; lower case is taken. */
bool trace_id_parse(struct span text, struct trace_id *id_r);
/* The microseconds it was made at. */
int64_t trace_id_time_us(const struct trace_id *id);

#endif
