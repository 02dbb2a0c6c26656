/* Pieces of replies (RFC 3501 section 9). Replies are built in a struct str and go out as they
 * are. */
#ifndef IMAP_PUT_H
#define IMAP_PUT_H

#include "imap/parse.h"
#include "base/str.h"

/* Quoted when the octets allow it, else a literal; NUL, which neither can hold, becomes '?'. */
void imap_put_string(struct str *out, struct span s);
/* An atom where possible. */
void imap_put_astring(struct str *out, struct span s);
/* A UTF-8 mailbox name with '/' between levels, as the client spells it. */
void imap_put_mailbox(struct str *out, const char *name, char separator);
/* "\Seen \Deleted": no parentheses, no blank in front; returns whether there was any. */
bool imap_put_system_flags(struct str *out, unsigned flags);
/* "17-Jul-1996 02:44:25 -0700" with the quotes. */
void imap_put_date_time(struct str *out, int64_t utc_s, int zone_min);

#endif
