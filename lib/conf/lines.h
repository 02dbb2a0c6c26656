/*
 * The line grammar of configuration files, used by the reader (file.c) and by the editor (edit.c),
 * so that they can't disagree about what belongs to an entry. Spans point into the text.
 */
#ifndef CONF_LINES_H
#define CONF_LINES_H

#include "base/span.h"

enum conf_line_kind {
	CONF_LINE_BLANK,
	CONF_LINE_COMMENT, /* first character that is no blank is # */
	CONF_LINE_SECTION, /* [name] */
	CONF_LINE_ENTRY,   /* name = value */
	CONF_LINE_MORE,    /* begins with a blank: continues the entry before */
	CONF_LINE_BAD,
};

struct conf_line {
	enum conf_line_kind kind;
	unsigned line;           /* from 1 */
	struct span whole;       /* with its line end */
	struct span name, value; /* trimmed; value is the text of a BAD or MORE line */
};

struct conf_scan {
	struct span rest;
	unsigned line;
};

/* false at the end of the text. */
bool conf_scan_next(struct conf_scan *scan, struct conf_line *line_r);

/* Letters, digits, - _ and . (services may be called "smtp-agent"), not empty. */
bool conf_is_name(struct span s);

#endif
