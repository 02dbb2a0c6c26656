/* Mailbox names on the wire: modified UTF-7 (RFC 3501 5.1.3). */
#ifndef IMAP_UTF7_H
#define IMAP_UTF7_H

#include "base/str.h"

/* Appends s as UTF-8. False, nothing appended, when s is not the one right spelling of a name:
 * octets that are no printable ASCII, wrong base64, an encoded character that needs none, a
 * control character, half a surrogate pair. */
bool utf7_to_utf8(struct str *out, struct span s);
/* The other way; what is no UTF-8 goes as U+FFFD. */
void utf7_put(struct str *out, struct span utf8);

#endif
