/* Case folding for SEARCH: one character to one, for the scripts that have cases. */
#ifndef IMAP_FOLD_H
#define IMAP_FOLD_H

#include "base/str.h"

/* Appends the text in lower case. Octets that are no UTF-8 are copied as they are. */
void fold_put(struct str *out, struct span utf8);

#endif
