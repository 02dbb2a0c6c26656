/* LIST, LSUB and STATUS: RFC 3501 6.3.8-6.3.10, RFC 5258 (extended), RFC 5819 (STATUS in LIST),
 * RFC 6154 (special use). */
#ifndef IMAP_LIST_H
#define IMAP_LIST_H

#include "imap/parse.h"

#define IMAP_PATTERNS_MAX 100  /* in one LIST: BAD */
#define IMAP_PATTERN_MAX  1000 /* octets: BAD */

enum status_item {
	STATUS_MESSAGES = 1,
	STATUS_RECENT = 2,
	STATUS_UIDNEXT = 4,
	STATUS_UIDVALIDITY = 8,
	STATUS_UNSEEN = 16,
};
/* "(MESSAGES UNSEEN)". */
bool imap_parse_status_items(struct imap_parse *c, unsigned *items_r);

enum list_option {
	LIST_SUBSCRIBED = 1,
	LIST_RECURSIVE = 2,
	LIST_SPECIAL_USE = 4,
	LIST_CHILDREN = 8,
};
struct imap_list {
	unsigned select, ret; /* enum list_option */
	bool extended;        /* some part of RFC 5258 was used */
	bool delimiter; /* the pattern was "": only the separator is asked for (RFC 3501 6.3.8) */
	/* UTF-8, reference in front, '/' between levels; what is no name is left out: it matches
	 * nothing */
	const char **patterns;
	size_t npatterns;
	unsigned status;      /* enum status_item */
};
/* The arguments of LIST; plain: those of LSUB. */
bool imap_parse_list(struct imap_parse *c, bool plain, struct imap_list *list_r);

/* A pattern made ready: '*' any octets, '%' any but '/'. INBOX matches in any case. Linear in
 * the name for a given pattern, whatever both hold. */
struct pattern;
struct pattern *pattern_new(struct pool *pool, const char *text);
bool pattern_match(const struct pattern *pattern, const char *name);

#endif
