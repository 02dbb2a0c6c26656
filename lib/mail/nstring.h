/*
 * IMAP strings (RFC 3501 4.3) as they stand in ready-made replies: quoted when the octets allow it,
 * else a literal. Line folding becomes one space, NUL vanishes (no IMAP string can hold it).
 */
#ifndef MAIL_NSTRING_H
#define MAIL_NSTRING_H

#include "base/str.h"

/* s.p NULL: NIL. */
void nstring_put(struct str *out, struct span s);

#endif
