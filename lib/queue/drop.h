/*
 * The drop folder (queue_dir/drop): where sendmail, set-group-id, leaves messages while the server
 * is down, and pickup finds them. Design rule 27.
 *
 * A file's life: tmp.* while it is written; synced; renamed to new.*; the folder synced: only then
 * has the sender been told that it was taken. pickup submits what is called new.* and removes it
 * after the 250, so that a crash between the two delivers twice and never loses. Who is refused is
 * reported to the sender; what is none of ours, or nobody can be told, is renamed to bad.*. A tmp.*
 * that is a day old was never promised to anybody, and goes.
 *
 * The file is lines "name value", LF only, the first one DROP_MAGIC, then an empty line, then the
 * message with CRLF line ends to the end of the file:
 *
 *	THURN-DROP 1
 *	uid 1000              who sent it; must be the file's owner
 *	time 1763832000       when, seconds since 1970
 *	sender a@example.org  once; nothing behind the name: the null sender
 *	notify 6              NOTIFY_* bits, if not 0
 *	ret 1                 enum dsn_ret, if not 0
 *	envid text            if any
 *	to b@example.net      for each recipient
 *
 * What the reader gets is as hostile as mail from the network: strictly parsed, nothing is believed
 * but what the file system says (one link, regular, its owner).
 */
#ifndef QUEUE_DROP_H
#define QUEUE_DROP_H

#include <sys/types.h>

#include "base/array.h"
#include "base/str.h"

#define DROP_MAGIC          "THURN-DROP 1"
#define DROP_HEADER_MAX     (8 * 1024 * 1024) /* octets before the message */
#define DROP_RECIPIENTS_MAX 100000
#define DROP_TMP_AGE_S      86400

struct drop_message {
	uint64_t uid;
	uint64_t time;
	const char *sender; /* canonical spelling; "" is null */
	const char *envid;
	uint64_t notify, ret;
	ARRAY(const char *) recipients;
	struct span body;
};

/* The header lines with the empty line. -1 when a text holds a line end or NUL. */
int drop_put_header(struct str *out, const struct drop_message *m);
/* Strings are the pool's, the body points into the file's bytes. -1 with *err_r a sentence. */
int drop_parse(struct pool *pool, struct span file, struct drop_message *m_r, const char **err_r);

/* Durable when it returns 0. The folder must be writable; -1 with errno. */
int drop_write(int dirfd, const struct drop_message *m);
static inline bool drop_is_new(const char *name)
{
	return strncmp(name, "new.", 4) == 0;
}
static inline bool drop_is_tmp(const char *name)
{
	return strncmp(name, "tmp.", 4) == 0;
}

#endif
