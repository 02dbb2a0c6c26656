/*
 * Mail addresses: the strict form of SMTP commands (RFC 5321 4.1.2, RFC 6531 3.3) and the lists of
 * header fields (RFC 5322 3.4 and 4.4), where whatever people write has to be made sense of.
 *
 * A struct address is the meaning, not the spelling: the local part is unquoted, the domain lower
 * case. address_put() spells it in the one canonical way, which is how addresses are compared,
 * stored and sent; so ("a b")@Example.ORG and "a b"@example.org are the same text afterwards.
 */
#ifndef MAIL_ADDRESS_H
#define MAIL_ADDRESS_H

#include "base/pool.h"
#include "base/str.h"

/* Octets. RFC 5321 4.5.3.1.1 asks for 64 at least in a local part; variable envelope senders of
 * mailing lists are longer, so more is taken here than is ever made. */
#define ADDRESS_LOCAL_MAX   255
#define ADDRESS_DOMAIN_MAX  255
#define ADDRESS_MAX         (ADDRESS_LOCAL_MAX + 1 + ADDRESS_DOMAIN_MAX)
/* Addresses and group marks that a reader of one header field returns at most. */
#define ADDRESS_LIST_MAX    4096

struct address {
	const char *local;  /* unquoted, holds no NUL, CR or LF; "" only in the null path */
	const char *domain; /* lower case; "[192.0.2.1]" or "[IPv6:...]" a literal; "" none */
};

enum {
	ADDRESS_NULL_OK      = 1, /* <>, as in MAIL FROM */
	ADDRESS_UTF8_OK      = 2, /* SMTPUTF8 was asked for */
	ADDRESS_BARE_OK      = 4, /* the angle brackets may be missing */
	ADDRESS_NO_DOMAIN_OK = 8, /* <postmaster>, and any name in local submission */
};

/* The path at the start of text ("<a@b> SIZE=1" or, with ADDRESS_BARE_OK, "a@b SIZE=1"), leading
 * spaces skipped; *used_r says how many octets it took, with its brackets. A source route is
 * accepted and ignored. 0, or -1 and a sentence in *err_r (a literal). The strings are
 * the pool's. */
int address_parse_path(struct span text, unsigned flags, struct pool *pool,
	struct address *addr_r, size_t *used_r, const char **err_r);

/* The whole text is one mailbox without brackets. */
int address_parse(struct span text, unsigned flags, struct pool *pool, struct address *addr_r,
	const char **err_r);

/* True for a host name or address literal as SMTP takes it after '@' and in EHLO. */
bool address_is_domain(struct span text, bool utf8_ok);

static inline bool address_is_null(const struct address *a)
{
	return !*a->local && !*a->domain;
}
/* Any octet past 127: can be sent only with SMTPUTF8. */
bool address_is_utf8(const struct address *a);
bool address_eq(const struct address *a, const struct address *b);

/* local@domain, the local part quoted when it must be; "" for the null address. */
void address_put(struct str *out, const struct address *a);
char *address_text(struct pool *pool, const struct address *a);
/* The same, all ASCII lower case: the key under which directories look up. */
void address_put_key(struct str *out, const struct address *a);

/* "user+detail": cuts at the first of sep that isn't the first octet; detail_r->p is NULL when
 * there is none. */
void address_split_detail(struct span local, char sep, struct span *user_r, struct span *detail_r);

/* One element of a header's address list. Absent parts have .p NULL. Encoded words stand as they
 * are written (mail/encoded.h decodes them). */
enum address_kind { ADDRESS_MAILBOX, ADDRESS_GROUP_START, ADDRESS_GROUP_END };
struct address_item {
	enum address_kind kind;
	struct span name; /* display name, unquoted, or a trailing comment; of a group: its name */
	struct span route;  /* obsolete source route, "@a,@b" */
	struct span local;  /* unquoted */
	struct span domain; /* as written, without white space and comments */
};

/* Reads the list in a raw field value (folded or not). Never fails: what is no address is skipped.
 * Linear in the text; comments nest without recursion. */
struct address_reader {
	const char *p, *end;
	struct pool *pool;
	unsigned count;
	unsigned unclosed; /* quotes or comments were opened and never closed */
	bool in_group;
};
void address_reader_init(struct address_reader *r, struct span text, struct pool *pool);
/* False at the end. The spans point into the text or the pool. */
bool address_read(struct address_reader *r, struct address_item *item_r);

#endif
