/* The one formatter of results: JSON, or text for people. */
#ifndef ADMIN_FORMAT_H
#define ADMIN_FORMAT_H

#include "admin/op.h"

/*
 * Text: a string is its line; a list of strings is a line each; a list of objects is a table of the
 * operation's columns; an object is a line "name: value" for each member, lists in it are indented
 * below, and a string of many lines comes last, behind an empty line. Control characters never
 * reach the terminal.
 */
void format_text(struct str *out, const struct op *op, struct js *result);
/* One line. */
void format_json(struct str *out, struct js *result);

#endif
