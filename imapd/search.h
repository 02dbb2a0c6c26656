/* What SEARCH's files share: the program made ready, and a message looked at. */
#ifndef IMAPD_SEARCH_H
#define IMAPD_SEARCH_H

#include "imap/search.h"
#include "imapd/session.h"
#include "mail/summary.h"

struct search_run {
	struct session *s;
	struct pool *row_pool; /* reset after each message */
	uint32_t seq;
	const struct msg_row *row;
	enum { SEARCH_UNREAD, SEARCH_READ, SEARCH_BAD } have_summary, have_header, have_message;
	struct summary summary;
	struct span header, message;
	struct str decoded, folded; /* a header field's text */
	bool large;                 /* the message is in memory by imapd->large */
};

/* A message from this size on is searched by one session at a time: the memory of a process
 * stays bounded. */
#define SEARCH_LARGE_MIN (1024 * 1024)

/* Of a header: what is longer is searched at its beginning, as FETCH chooses fields from it. */
#define SEARCH_HEADER_MAX (4 * 1024 * 1024)

/* Text folded as the needle of search_text.c; made once for the whole command. */
struct needle {
	struct span text;   /* for bodies */
	struct span joined; /* for headers: each run of blanks is one space */
};

/* Each run of blanks becomes one space. */
void search_join_blanks(struct str *text);

/* What the row's message is, read at first use; NULL or false when it can't be had: then nothing
 * matches. */
const struct summary *search_summary(struct search_run *r);
bool search_header(struct search_run *r, struct span *header_r);
bool search_message(struct search_run *r, struct span *message_r);

/* Nothing of the row's message is needed any more. */
void search_forget(struct search_run *r);

bool search_match(struct search_run *r, const struct search_key *key);

/* In the fields of that name, decoded; an empty needle: the field is there. addresses: also in what
 * its addresses are without comments, blanks and quotes. */
bool search_match_header(
	struct search_run *r, const char *name, bool addresses, const struct needle *needle);
/* In the decoded text of the body's parts and in their headers; with headers also in the
 * message's. */
bool search_match_text(struct search_run *r, const struct needle *needle, bool headers);

#endif
