/*
 * What the message store keeps with each message: everything that FETCH of anything but the text
 * needs, made once at delivery and copied into replies. A self-describing blob (wire.h):
 *
 *	u8 version (1) | u8 flags | rows of {varint tag, varint length, bytes}
 *
 * Unknown tags are skipped, so later versions may add rows. Making it never fails, whatever the
 * bytes; it is linear in the message and at most SUMMARY_MAX long (a message whose structure would
 * take more is summarised as one text/plain part).
 */
#ifndef MAIL_SUMMARY_H
#define MAIL_SUMMARY_H

#include "mail/section.h"

#define SUMMARY_MAX         (512 * 1024)
/* A longer field isn't kept (SUMMARY_FIELDS_CUT says that some weren't). */
#define SUMMARY_FIELD_MAX   (16 * 1024)
#define SUMMARY_FIELDS_MAX  (64 * 1024) /* all fields together */
#define SUMMARY_PREVIEW_MAX 200         /* characters */
/* Ids kept of References: the first and the last ones. */
#define SUMMARY_REFS_MAX    64

/* Fields kept as they stand in the message. A bit each in a mask. */
enum summary_field {
	SUMMARY_DATE,
	SUMMARY_FROM,
	SUMMARY_SENDER,
	SUMMARY_REPLY_TO,
	SUMMARY_TO,
	SUMMARY_CC,
	SUMMARY_BCC,
	SUMMARY_SUBJECT,
	SUMMARY_MESSAGE_ID,
	SUMMARY_IN_REPLY_TO,
	SUMMARY_REFERENCES,
	SUMMARY_CONTENT_TYPE,
	SUMMARY_LIST_ID,
	SUMMARY_LIST_POST,
	SUMMARY_LIST_UNSUBSCRIBE,
	SUMMARY_PRIORITY,
	SUMMARY_X_PRIORITY,
	SUMMARY_IMPORTANCE,
	SUMMARY_NEWSGROUPS,
	SUMMARY_MIME_VERSION,
	SUMMARY_CONTENT_TRANSFER_ENCODING,
	SUMMARY_NFIELD
};

enum {
	SUMMARY_FIELDS_CUT = 1, /* some field was too long: read the message's header */
	SUMMARY_IS_REPLY   = 2, /* the subject began with "Re:" or the like (RFC 5256 2.1) */
	SUMMARY_ATTACHMENT = 4, /* some leaf is an attachment */
	SUMMARY_CUT        = 8, /* structure given up, see SUMMARY_MAX */
};

#define SUMMARY_NO_DATE INT64_MIN

/* All spans point into the blob. */
struct summary {
	unsigned flags;
	uint64_t size;           /* octets of the message */
	uint32_t header_len;     /* with the empty line */
	int64_t sent_s;          /* of Date, UTC; SUMMARY_NO_DATE */
	int sent_zone_min;
	struct span envelope;      /* "(...)" as FETCH ENVELOPE sends it */
	struct span bodystructure; /* "(...)" with extension data */
	struct span body_skips;    /* what of it to leave out for BODY; see summary_put_body() */
	struct span extents;       /* for extents_find() */
	struct span fields;        /* see summary_field_next() */
	struct span subject; /* base subject, UTF-8, ASCII upper case: the key of SORT and THREAD */
	struct span preview;       /* UTF-8 */
	uint64_t message_id;       /* hash of the Message-ID, 0 none */
	struct span refs;          /* hashes, u64 each, oldest first; see summary_ref() */
};

/* Appends the summary of the message (as stored: CRLF lines; LF works). */
void mail_summarize(struct span message, struct str *out);

/* 0, or -1 when the blob is damaged. Allocates nothing. */
int summary_parse(struct span blob, struct summary *summary_r);

/* FETCH BODY: the structure without extension data. */
void summary_put_body(struct str *out, const struct summary *s);

/* 1 found, 0 no such part, -1 damaged. */
static inline int summary_section(
	const struct summary *s, const struct section *section, struct extent *extent_r)
{
	return extents_find(s->extents, section, extent_r);
}

/* Which kept field has this name: -1 none. */
int summary_field_of(struct span name);
/* Iterates the kept fields in the order of the message: *rest starts as s->fields. whole_r is the
 * field as it stands, with its name and line ends. */
bool summary_field_next(struct span *rest, enum summary_field *id_r, struct span *whole_r);
/* Trimmed raw value of the first such field: 1 found, 0 none (if SUMMARY_FIELDS_CUT: maybe). */
int summary_find_field(const struct summary *s, enum summary_field id, struct span *value_r);
/* BODY[HEADER.FIELDS (...)] from the summary: appends the fields in mask and the empty line;
 * false and nothing appended when the message has to be read. */
bool summary_put_fields(struct str *out, const struct summary *s, uint32_t mask);

/* The i-th reference, 0 past the end. In-Reply-To stands in when there is no References. */
uint64_t summary_ref(const struct summary *s, size_t i);
/* The stable hash used for message ids (brackets not included). Never 0. */
uint64_t summary_msgid_hash(struct span id);

#endif
