/*
 * The MIME structure of a message (RFC 2045-2046) in one linear pass over its bytes: a flat array
 * of parts in the order of their start (pre-order), with offsets into the message. Works for CRLF
 * and bare LF. Never fails: what is no MIME is text/plain.
 *
 * A delimiter line belongs to the multipart together with the line end before it, so a body's size
 * excludes that (RFC 2046 5.1.1, RFC 3501 7.4.2). A line ends every open multipart inside the one
 * whose boundary it carries; of several boundaries that fit, the longest counts. A multipart
 * without a boundary, or in which no delimiter appears, is text/plain.
 */
#ifndef MAIL_MIME_H
#define MAIL_MIME_H

#include "mail/param.h"

/* Beyond these the rest of the part is one opaque leaf. */
#define MIME_DEPTH_MAX 64
#define MIME_PARTS_MAX 1000
/* Languages of one Content-Language that are kept. */
#define MIME_LANGUAGES_MAX 16

enum mime_kind {
	MIME_LEAF,
	MIME_TEXT,      /* a leaf, text/anything */
	MIME_MULTIPART, /* one child or more */
	MIME_MESSAGE,   /* message/rfc822; its one child is the message inside */
};

enum mime_encoding { MIME_IDENTITY, MIME_BASE64, MIME_QP, MIME_UNKNOWN_ENCODING };

#define MIME_NONE UINT32_MAX

/* Field values are trimmed raw spans into the message; .p NULL when the field is absent. */
struct mime_part {
	enum mime_kind kind;
	uint32_t parent; /* index, MIME_NONE for the root */
	uint32_t next;   /* the next sibling, MIME_NONE for the last */
	uint32_t end;    /* the first part after this one's subtree; its first child is index + 1 */
	uint32_t depth;  /* 0: the message */
	size_t header_at, header_len; /* with the empty line */
	size_t body_at, body_len;
	uint32_t body_lines; /* line ends in the body */
	struct span type, subtype; /* as written, or the default */
	struct params params;      /* of Content-Type */
	struct span id, description, encoding, location, md5;
	struct span disposition; /* the token */
	struct params disposition_params;
	struct span language; /* raw field */
};

struct mime {
	struct span message;
	struct mime_part *parts;
	uint32_t n; /* at least 1 */
};

/* All memory is the pool's; mime_r borrows the message. */
void mime_parse(struct span message, struct pool *pool, struct mime *mime_r);

enum mime_encoding mime_part_encoding(const struct mime_part *part);
/* The charset parameter, "us-ascii" when there is none. */
struct span mime_part_charset(const struct mime_part *part);
static inline struct span mime_part_body(const struct mime *m, const struct mime_part *part)
{
	return span_make(m->message.p + part->body_at, part->body_len);
}
static inline struct span mime_part_header(const struct mime *m, const struct mime_part *part)
{
	return span_make(m->message.p + part->header_at, part->header_len);
}
/* The file name as UTF-8 (Content-Disposition filename, else Content-Type name): 1, or 0 none. */
int mime_part_put_filename(const struct mime_part *part, struct str *out);

#endif
