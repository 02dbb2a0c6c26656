/* UTF-8 (RFC 3629): strict, no overlong forms, no surrogates, nothing past U+10FFFF. */
#ifndef BASE_UTF8_H
#define BASE_UTF8_H

#include <stdint.h>

#include "base/str.h"

bool utf8_is_valid(struct span s);
bool utf8_is_ascii(struct span s);

/* Takes one character off s: its length in bytes (1-4) and *cp_r; 0 at the end; -1 when the first
 * byte starts no valid character. */
int utf8_next(struct span s, uint32_t *cp_r);
void utf8_put(struct str *out, uint32_t cp); /* what is no scalar value becomes U+FFFD */

/* Copies, each invalid byte replaced by U+FFFD. */
void utf8_put_clean(struct str *out, struct span s);

#endif
