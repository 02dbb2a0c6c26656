/*
 * Configuration: typed structs filled from tables of rows. Each parameter is one row; the commented
 * defaults in etc/, the manual pages and `thurn config show` are generated from the rows, so a
 * row's text is its documentation.
 *
 * Files are lines `name = value`, sections `[name]`, comments from # at the start of a line; a line
 * that begins with blanks continues the one before. Strict: an unknown section or name, a value
 * that does not parse or is out of range is an error with file and line.
 *
 * thurn.conf:     the rows of common (before any section), then [program] sections.
 * services.conf:  a [service] section for each service: rows of struct service_conf, plus any row
 * of its program, which then holds for that service only.
 */
#ifndef CONF_CONF_H
#define CONF_CONF_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/pool.h"
#include "base/str.h"

enum conf_type {
	CONF_TYPE_END,
	CONF_TYPE_STR,  /* const char *            any text, trimmed */
	CONF_TYPE_PATH, /* const char *            relative ones are resolved against the instance's
			   root */
	CONF_TYPE_BOOL, /* bool                    yes no */
	CONF_TYPE_NUM,  /* uint64_t                decimal */
	CONF_TYPE_SIZE, /* uint64_t, octets        50M */
	CONF_TYPE_TIME, /* int64_t, milliseconds   5m; least and most are given in seconds */
	CONF_TYPE_ENUM, /* const char *            one of the words in `words` */
	CONF_TYPE_LIST, /* const char *            words separated by blanks or commas, kept as one
			   text */
};

struct conf_row {
	enum conf_type type;
	const char *name, *dflt;
	int64_t least, most; /* most 0: no upper limit */
	const char *words;   /* "a|b|c" */
	const char *help;    /* one or two sentences */
	size_t offset;
};

/* The macros need CONF_STRUCT defined as the struct's tag. */
#define CONF_OFF(name) offsetof(struct CONF_STRUCT, name)
#define CONF_ROW(TYPE, field, dfl, lo, hi, text)                                                   \
	{                                                                                          \
		.type = CONF_TYPE_##TYPE, .name = #field, .dflt = dfl, .least = lo, .most = hi,    \
		.help = text, .offset = CONF_OFF(field)                                            \
	}
#define CONF_ROW_ENUM(field, dfl, wordlist, text)                                                  \
	{                                                                                          \
		.type = CONF_TYPE_ENUM, .name = #field, .dflt = dfl, .words = wordlist,            \
		.help = text, .offset = CONF_OFF(field)                                            \
	}
#define CONF_END                                                                                   \
	{                                                                                          \
		.type = CONF_TYPE_END                                                              \
	}

/* A parsed file: sections of (name, value, line). */
struct conf_file;
int conf_file_read(
	struct pool *pool, const char *path, struct conf_file **file_r, const char **err_r);
int conf_file_parse(struct pool *pool, const char *path, struct span text,
	struct conf_file **file_r, const char **err_r);

struct conf_entry {
	const char *name, *value;
	unsigned line;
	bool used; /* some row took it */
};
struct conf_section {
	const char *name; /* "" before the first */
	unsigned line;
	struct conf_entry *entries;
	size_t n;
};
size_t conf_file_count(const struct conf_file *file);
struct conf_section *conf_file_section(struct conf_file *file, size_t i);
struct conf_section *conf_file_find(struct conf_file *file, const char *name); /* or NULL */
const char *conf_file_path(const struct conf_file *file);

/* Fills *to from the defaults of the rows. */
int conf_defaults(struct pool *pool, const struct conf_row *rows, const char *root, void *to,
	const char **err_r);
/* Sets what the section names; marks its entries used. */
int conf_apply(struct pool *pool, const struct conf_row *rows, const char *root,
	struct conf_file *file, struct conf_section *section, void *to, const char **err_r);
/* The first entry of the section that nobody used is an error. */
int conf_check_used(struct pool *pool, struct conf_file *file, const struct conf_section *section,
	const char **err_r);
/* One value: checks it and stores it. */
int conf_set(struct pool *pool, const struct conf_row *row, const char *root, const char *value,
	void *to, const char **err_r);
const struct conf_row *conf_find_row(const struct conf_row *rows, const char *name);
/* As it would be written in the file. */
void conf_put_value(struct str *out, const struct conf_row *row, const void *from);
/* Changes or adds `name = value` in the section of the file's text, leaving the rest as it is. */
void conf_edit(struct str *text, const char *section, const char *name, const char *value);

/* Iterates the words of a LIST value: false at the end. Start with *at = 0. */
bool conf_list_next(const char *value, size_t *at, struct span *word_r);

#endif
