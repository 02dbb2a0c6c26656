/*
 * Content-Transfer-Encoding decoders (RFC 2045 6), streaming and lenient: line ends and stray
 * octets in base64 are skipped, a broken =XX stays as it is. Never fail, never buffer more than a
 * few octets.
 */
#ifndef MAIL_TRANSFER_H
#define MAIL_TRANSFER_H

#include "mail/mime.h"

struct transfer {
	enum mime_encoding encoding;
	uint32_t bits;   /* base64: collected */
	unsigned nbits;
	char held[64];   /* QP: '=' or white space at the end of what came so far */
	unsigned nheld;
};

void transfer_init(struct transfer *t, enum mime_encoding encoding);
/* Appends what in decodes to. */
void transfer_put(struct transfer *t, struct str *out, struct span in);
/* What was held back at the end. */
void transfer_end(struct transfer *t, struct str *out);

/* Writing: base64 in lines of 76 with CRLF; quoted-printable with CRLF lines. */
void transfer_put_base64(struct str *out, struct span bytes);
void transfer_put_qp(struct str *out, struct span text);

#endif
