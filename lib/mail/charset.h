/*
 * Character sets to UTF-8. UTF-8, US-ASCII, ISO-8859-1 and windows-1252 are built in; others go
 * through iconv, whose modules the process must be able to open (call charset_warm() before
 * chroot). Output is always valid UTF-8; what can't be converted becomes U+FFFD.
 */
#ifndef MAIL_CHARSET_H
#define MAIL_CHARSET_H

#include "base/str.h"

/* Longest charset name looked up; longer ones are unknown. */
#define CHARSET_NAME_MAX 64

struct charset;

/* A converter for a stream of bytes; NULL when the charset is unknown. */
struct charset *charset_open(struct span name);
void charset_close(struct charset **cs);
/* Appends the text as UTF-8; a character cut at the end of in waits for the next call, or with end
 * becomes U+FFFD. */
void charset_put(struct charset *cs, struct str *out, struct span in, bool end);

/* All at once. With an unknown (or empty) charset: kept if it is UTF-8, else taken as windows-1252;
 * false then. */
bool charset_put_utf8(struct str *out, struct span name, struct span text);
bool charset_is_known(struct span name);

/* Opens each charset that mail commonly uses once, so that iconv has loaded its modules. */
void charset_warm(void);

#endif
