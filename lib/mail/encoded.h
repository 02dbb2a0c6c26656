/*
 * Encoded words in header fields (RFC 2047): "=?iso-8859-1?Q?Caf=E9?=". Decoding is lenient and
 * never fails: what can't be decoded stays as it is written. Output is always valid UTF-8.
 */
#ifndef MAIL_ENCODED_H
#define MAIL_ENCODED_H

#include "base/str.h"

/* Appends the value decoded; white space between two encoded words goes, octets that are not UTF-8
 * are taken as windows-1252, line ends of folding vanish. A character split over two words of the
 * same charset is put together again. */
void encoded_put_decoded(struct str *out, struct span value);

/* Appends UTF-8 text as ASCII: words that need it are encoded (Q or B, the shorter one), none
 * longer than 75 columns; separated by single spaces where a folding writer may break. */
void encoded_put(struct str *out, struct span utf8);
/* The same as a display name (a phrase): quoted when plain text needs it. */
void encoded_put_phrase(struct str *out, struct span utf8);

#endif
