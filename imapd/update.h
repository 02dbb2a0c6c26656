/* Untagged news of the selected mailbox: EXPUNGE, EXISTS, RECENT, FLAGS, FETCH of changed flags. */
#ifndef IMAPD_UPDATE_H
#define IMAPD_UPDATE_H

#include "imapd/session.h"

struct seqset;

struct update {
	bool expunge; /* removed messages may be told now */
	bool uid;     /* FETCH lines carry the UID */
	/* sequence numbers whose flags are told anyway; only with expunge false. NULL: none */
	const struct seqset *skip;
};
/* Brings the view up to date and tells what changed. A mailbox that is gone ends the session. */
void update_tell(struct session *s, const struct update *update);

/* The picture right after SELECT: counts as told. */
void update_start(struct session *s);
/* "* FLAGS (...)" and "* OK [PERMANENTFLAGS (...)]". */
void update_put_flags(struct session *s);
/* "(\Seen $Forwarded)". */
void put_flags(struct str *out, const struct view *view, unsigned flags, uint64_t keywords);
/* "* 5 FETCH (UID 7 FLAGS (...))" */
void put_fetch_flags(struct session *s, uint32_t seq, bool uid);

#endif
