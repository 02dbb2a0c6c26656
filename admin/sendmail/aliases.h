/* The grammar of aliases files. */
#ifndef SENDMAIL_ALIASES_H
#define SENDMAIL_ALIASES_H

#include "directory/messages.h"

#define ALIASES_ENTRIES_MAX 100000

/* Entries are in the pool: name in lower case, text the targets separated by ", ". -1 with *err_r
 * naming file and line: no alias, a name twice, or a command, file or :include:, which are not
 * delivered to yet. */
int aliases_parse(struct pool *pool, const char *path, struct span text, struct dir_aliases *to,
	const char **err_r);

#endif
