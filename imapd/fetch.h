/* What FETCH's files share: the command's state and a row's. */
#ifndef IMAPD_FETCH_H
#define IMAPD_FETCH_H

#include "imap/fetch.h"
#include "imapd/session.h"
#include "mail/summary.h"

struct fetch_run {
	struct session *s;
	struct fetch what;
	bool sets_seen;
	struct pool *row_pool; /* reset after each message */
	struct pool *section_pool; /* and after each section: a message may be asked for many times over */
	bool missing;          /* some message was gone, or could not be read */
	enum store_status status; /* the worst that was met */

	/* The row at hand. */
	uint32_t seq;
	const struct msg_row *row;
	bool seen_now;         /* \Seen will be set, and is told already */
	struct summary summary;
	enum { SUMMARY_UNREAD, SUMMARY_READ, SUMMARY_BAD } have_summary;
};

/* The summary, read at first use; NULL when the store can't give it. */
const struct summary *fetch_summary(struct fetch_run *f);

/* "* 5 FETCH (...)" into the session's output. */
void fetch_put_row(struct fetch_run *f);
/* " BODY[...] {n}..." of one section. */
void fetch_put_section(struct fetch_run *f, const struct fetch_section *section);

#endif
