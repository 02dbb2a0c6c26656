/*
 * The tokens of a client's command (RFC 3501 section 9), read from the text that imap/reader.h
 * collected. Every function takes its token off and returns true, or returns false and leaves in
 * `err` a sentence for the BAD reply; after that all fail. Spans point into the text or into the
 * pool.
 */
#ifndef IMAP_PARSE_H
#define IMAP_PARSE_H

#include <stdint.h>

#include "base/array.h"
#include "base/pool.h"
#include "base/span.h"

#define IMAP_DEPTH_MAX 100  /* nesting of parentheses, OR, NOT: BAD */
#define IMAP_ARGS_MAX  1000 /* members of one list: BAD */

struct imap_parse {
	const char *p, *end;
	struct pool *pool;
	const char *err; /* NULL while all is well */
	bool bad_name;   /* with err: well formed, but no mailbox can have that name: NO, not BAD */
	char separator;  /* of mailbox names on the wire; in UTF-8 names it is always '/' */
};

void imap_parse_init(struct imap_parse *c, struct span text, struct pool *pool);
/* Sets err (the first one stays) and returns false. */
bool imap_parse_fail(struct imap_parse *c, const char *why);

bool imap_is_atom_char(char c);    /* ATOM-CHAR */
bool imap_is_astring_char(char c); /* also "]" */

/* Looking ahead, without an error: */
bool imap_parse_at(const struct imap_parse *c, char ch);
bool imap_parse_at_end(const struct imap_parse *c);
/* Takes ch, or the word (case-insensitive, whole atom), if it is next. */
bool imap_parse_skip(struct imap_parse *c, char ch);
bool imap_parse_skip_word(struct imap_parse *c, const char *word);

bool imap_parse_char(struct imap_parse *c, char ch);
bool imap_parse_space(struct imap_parse *c); /* exactly one SP */
bool imap_parse_end(struct imap_parse *c);   /* nothing more */
/* 1*<any ASTRING-CHAR but "+">: RFC 3501 tag. */
bool imap_parse_tag(struct imap_parse *c, struct span *tag_r);
bool imap_parse_atom(struct imap_parse *c, struct span *atom_r);
/* string = quoted or literal; astring = string or atom with "]"; list_mailbox = string or atom
 * with "%*]". */
bool imap_parse_string(struct imap_parse *c, struct span *s_r);
bool imap_parse_astring(struct imap_parse *c, struct span *s_r);
bool imap_parse_list_mailbox(struct imap_parse *c, struct span *s_r);
bool imap_parse_nstring(struct imap_parse *c, struct span *s_r); /* NIL: .p NULL */
bool imap_parse_number(struct imap_parse *c, uint64_t max, uint64_t *v_r);

/* A mailbox name: astring, modified UTF-7 taken to UTF-8, the separator to '/', INBOX to
 * capitals; C string in the pool. */
bool imap_parse_mailbox(struct imap_parse *c, const char **name_r);
/* The same for what was read by other means: false when it is no name (err is not set). */
bool imap_mailbox_name(struct imap_parse *c, struct span wire, const char **name_r);

/* "17-Jul-1996", quoted or not: days from 1970. */
bool imap_parse_date(struct imap_parse *c, int64_t *day_r);
/* Quoted date-time: seconds UTC and zone. */
bool imap_parse_date_time(struct imap_parse *c, int64_t *utc_s_r, int *zone_min_r);

/* --- flags --- */

/* The same bits as the store's. */
enum imap_flags {
	IMAP_SEEN = 1, IMAP_ANSWERED = 2, IMAP_FLAGGED = 4, IMAP_DELETED = 8, IMAP_DRAFT = 16,
	IMAP_RECENT = 32, /* clients may name it; nobody can set it */
};
#define IMAP_FLAGS_MAX   100 /* keywords in one list: BAD */
#define IMAP_KEYWORD_MAX 200 /* octets of a keyword: BAD */

struct imap_flag_list {
	unsigned flags;
	const char **keywords; /* in the pool */
	size_t nkeywords;
};
/* "(\Seen $Forwarded)". */
bool imap_parse_flag_list(struct imap_parse *c, struct imap_flag_list *list_r);
/* The same with or without parentheses, to the end of the text: STORE. */
bool imap_parse_store_flags(struct imap_parse *c, struct imap_flag_list *list_r);

#endif
