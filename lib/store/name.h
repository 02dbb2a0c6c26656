/* Mailbox names: what is one, and how INBOX is spelled. */
#ifndef STORE_NAME_H
#define STORE_NAME_H

#include "base/pool.h"

/* The name as it is stored (a first level INBOX in capitals), in the pool; NULL when it can't be
 * one: not UTF-8, control characters, empty levels, too long, too deep. */
const char *name_clean(struct pool *pool, const char *name);
/* The part before the last '/'; empty when there is none. */
struct span name_parent(struct span name);
bool name_is_below(const char *name, const char *parent);
/* A keyword: an IMAP atom of at most KEYWORD_MAX octets. */
bool keyword_is_valid(const char *keyword);

#define KEYWORD_MAX 128

#endif
