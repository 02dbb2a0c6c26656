/*
 * The ENVELOPE and BODYSTRUCTURE texts of a message (RFC 3501 7.4.2).
 */
#ifndef MAIL_IMAPFORM_H
#define MAIL_IMAPFORM_H

#include "base/array.h"
#include "mail/mime.h"

/* Octets of one header field that an ENVELOPE looks at. */
#define IMAPFORM_FIELD_MAX (256 * 1024)

/* Once a structure is longer than this, envelopes of further messages inside it are left empty. */
#define IMAPFORM_BUDGET (1024 * 1024)

/* The fields an ENVELOPE is made of, raw and trimmed; .p NULL: absent. */
struct imapform_fields {
	struct span date, subject, from, sender, reply_to, to, cc, bcc, in_reply_to, message_id;
};
/* One field of the header, by its enum summary_field; the first of a kind counts. */
void imapform_add_field(struct imapform_fields *f, int id, struct span value);
void imapform_collect(struct span header, struct imapform_fields *fields_r);
void imapform_put_envelope(struct str *out, const struct imapform_fields *f, struct pool *pool);

/* Where extension data stands in the text: ascending, not overlapping. */
struct imapform_skip {
	size_t at, len;
};
typedef ARRAY(struct imapform_skip) imapform_skips;

/* With skips NULL the non-extended BODY, else BODYSTRUCTURE and what to leave out for BODY
 * (offsets from where the text starts). */
void imapform_put_structure(
	struct str *out, const struct mime *m, imapform_skips *skips, struct pool *pool);

#endif
