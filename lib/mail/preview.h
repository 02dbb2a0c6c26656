/*
 * The first words of a message, for lists of messages (RFC 8970).
 */
#ifndef MAIL_PREVIEW_H
#define MAIL_PREVIEW_H

#include "mail/mime.h"

/* Octets of the encoded body that are looked at. */
#define PREVIEW_PLAIN_MAX 2048
#define PREVIEW_HTML_MAX  16384

/* Appends at most max characters of UTF-8, white space collapsed, quoted lines and markup left out:
 * of the first text/plain that is no attachment, else of the first text/html, else nothing. */
void preview_put(struct str *out, const struct mime *m, size_t max);

#endif
