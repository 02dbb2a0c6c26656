/* Breaking text into lines. */
#ifndef ADMIN_WRAP_H
#define ADMIN_WRAP_H

#include "base/str.h"

/* The words of text, in lines of at most width columns. The first line goes on where out is, which
 * counts as column `indent`; the others are indented so. Ends with a line end. */
void wrap_put(struct str *out, const char *text, size_t indent, size_t width);
/* The same with every line, also the first, after the prefix ("# "). */
void wrap_put_prefixed(struct str *out, const char *text, const char *prefix, size_t width);

#endif
