/*
 * The base subject (RFC 5256 2.1): what SORT SUBJECT and threads compare, without "Re:", "[list]"
 * and "(fwd)".
 */
#ifndef MAIL_SUBJECT_H
#define MAIL_SUBJECT_H

#include "base/str.h"

/* Octets of a raw Subject that are looked at. */
#define SUBJECT_MAX 2000

/* Appends the base of the raw field value: UTF-8, ASCII letters upper case. Returns true when the
 * subject says that it is a reply or a forward. */
bool subject_put_base(struct str *out, struct span value);

#endif
