/*
 * Commands as a server reads them (RFC 5321 4.1, RFC 2033, RFC 3030, RFC 3461, RFC 4954): a line
 * in, a struct out. Pure grammar: whether a command is legal now, or an address is wanted, others
 * decide. What is wrong comes back as a struct smtp_fault, the reply that the client shall get.
 */
#ifndef SMTP_COMMAND_H
#define SMTP_COMMAND_H

#include "base/pool.h"
#include "base/str.h"
#include "mail/address.h"
#include "mail/envelope.h"
#include "smtp/extension.h"

/* Octets of a line without CRLF. RFC 5321 4.5.3.1.4 asks for 512 and extensions add to MAIL and
 * RCPT (together about 1,800); AUTH carries SASL messages (RFC 4954 4: 12,288). */
#define SMTP_LINE_MAX          512
#define SMTP_ENVELOPE_LINE_MAX 4096
#define SMTP_AUTH_LINE_MAX     12288
/* What a reader must take before it may judge. */
#define SMTP_COMMAND_MAX       (SMTP_AUTH_LINE_MAX + 64)
/* RFC 3461 4.4: ENVID; 4.2: ORCPT with its type. As sent, in xtext. */
#define SMTP_ENVID_MAX 100
#define SMTP_ORCPT_MAX 500

enum smtp_verb {
	SMTP_UNKNOWN,
	SMTP_HELO,
	SMTP_EHLO,
	SMTP_LHLO,
	SMTP_MAIL,
	SMTP_RCPT,
	SMTP_DATA,
	SMTP_BDAT,
	SMTP_RSET,
	SMTP_NOOP,
	SMTP_QUIT,
	SMTP_VRFY,
	SMTP_EXPN,
	SMTP_HELP,
	SMTP_STARTTLS,
	SMTP_AUTH,
	SMTP_ALIEN, /* GET, POST, "Subject:" ...: somebody who speaks something else */
	SMTP_VERBS
};

/* A refusal: reply code, enhanced status, text. All literals. */
struct smtp_fault {
	unsigned code;
	const char *status, *text;
};

struct smtp_command {
	enum smtp_verb verb;
	struct span name; /* as written */
	struct span args; /* trimmed */
};

/* line: without its CRLF. NULL, or the fault (with *cmd_r->verb set where it was recognised). */
const struct smtp_fault *smtp_command_parse(struct span line, struct smtp_command *cmd_r);
/* "MAIL"; "" for SMTP_UNKNOWN and SMTP_ALIEN. */
const char *smtp_verb_name(enum smtp_verb verb);

/* MAIL FROM:<...> and its parameters. offers: SMTP_EXT_*; those of other extensions get 555. */
struct smtp_mail {
	struct address sender;
	uint64_t size;       /* 0: not said */
	enum body_kind body;
	bool smtputf8;
	enum dsn_ret ret;
	const char *envid;   /* decoded; "" none */
	const char *auth;    /* RFC 4954 5, decoded; NULL none, "<>" unknown */
};
/* address_flags: ADDRESS_NO_DOMAIN_OK where a bare name is taken. */
const struct smtp_fault *smtp_mail_parse(struct span args, unsigned offers, unsigned address_flags,
	struct pool *pool, struct smtp_mail *mail_r);

struct smtp_rcpt {
	struct address address;
	unsigned notify;     /* NOTIFY_* */
	const char *orcpt;   /* "rfc822;a@b", decoded; "" none */
};
/* offers holds SMTP_EXT_UTF8 only when this transaction asked for it. */
const struct smtp_fault *smtp_rcpt_parse(struct span args, unsigned offers, unsigned address_flags,
	struct pool *pool, struct smtp_rcpt *rcpt_r);

struct smtp_bdat {
	uint64_t size;
	bool last;
};
const struct smtp_fault *smtp_bdat_parse(struct span args, struct smtp_bdat *bdat_r);

/* AUTH mechanism [initial-response]; the response decoded into `initial`, "=" is an empty one. */
struct smtp_auth {
	struct span mechanism; /* into args, as written */
	bool has_initial;
};
const struct smtp_fault *smtp_auth_parse(struct span args, struct str *initial,
	struct smtp_auth *auth_r);
/* A line that answers a 334: 0 decoded into out, 1 "*" (the client gives up), -1 no base64. */
int smtp_auth_line(struct span line, struct str *out);

/* The name in HELO, EHLO and LHLO. Strict ones are host names and literals; what isn't is told
 * apart because much of the world sends underscores and dots: 1 well formed, 0 odd but printable,
 * -1 refuse. */
int smtp_helo_check(struct span name);

#endif
