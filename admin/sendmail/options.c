/* The command line as Sendmail, Postfix and their callers know it: one table. */
#include <strings.h>

#include "admin/sendmail/sendmail.h"
#include "mail/envelope.h"

#define ARGUMENT_MAX 100000 /* octets of one */

enum value_kind {
	VALUE_NONE,     /* others may follow in the same word */
	VALUE_ATTACHED, /* the rest of the word, which may be empty */
	VALUE_NEXT,     /* the rest of the word, or the next one */
};

struct option {
	char letter;
	enum value_kind kind;
	int (*take)(
		struct sendmail *s, const char *value); /* NULL: understood and without effect */
};

static int take_mode(struct sendmail *s, const char *value)
{
	static const struct {
		char letter;
		enum sendmail_mode mode;
	} modes[] = {{'m', MODE_MAIL}, {'s', MODE_SMTP}, {'p', MODE_QUEUE}, {'i', MODE_ALIASES}};
	for (size_t i = 0; i < COUNT_OF(modes); i++)
		if (value[0] == modes[i].letter && !value[1]) {
			s->mode = modes[i].mode;
			return 0;
		}
	if (value[0] == 'd' || value[0] == 'D')
		return say(EX_USAGE, "The server is started by thurn start, or by the system.");
	return say(EX_USAGE, "There is no mode -b%.20s.", value);
}

static int take_sender(struct sendmail *s, const char *value)
{
	struct span text = span_trim(span_of(value));
	if (!text.n || span_is(text, "<>"))
		s->sender = "";
	else
		s->sender = address_complete(s, text);
	return s->sender ? 0 : say(EX_USAGE, "\"%.200s\" is not an address.", value);
}

static int take_full_name(struct sendmail *s, const char *value)
{
	s->full_name = pool_strdup(s->pool, value);
	return 0;
}

static int take_config(struct sendmail *s, const char *value)
{
	/* A configuration of the caller's own would choose where the group's files go. */
	if (harden_is_setgid())
		return say(EX_USAGE, "-C is not for this program as it is installed.");
	s->config_dir = value;
	return 0;
}

static int take_notify(struct sendmail *s, const char *value)
{
	return notify_parse(span_of(value), &s->notify) == 0
		       ? 0
		       : say(EX_USAGE, "-N takes never, or some of success,failure,delay.");
}

static int take_ret(struct sendmail *s, const char *value)
{
	bool full = strcasecmp(value, "full") == 0;
	if (!full && strcasecmp(value, "hdrs") != 0)
		return say(EX_USAGE, "-R takes full or hdrs.");
	s->ret = full ? DSN_RET_FULL : DSN_RET_HDRS;
	return 0;
}

static int take_envid(struct sendmail *s, const char *value)
{
	for (const char *p = value; *p; p++)
		if (*p <= ' ' || *p > '~')
			return say(EX_USAGE, "-V takes printable characters without blanks.");
	if (strlen(value) > 100)
		return say(EX_USAGE, "-V takes at most 100 characters.");
	s->envid = pool_strdup(s->pool, value);
	return 0;
}

static int take_old_option(struct sendmail *s, const char *value)
{
	if (value[0] == 'i')
		s->keep_dots = true;
	return 0; /* -oem, -od..., -oQ...: how Sendmail of old did its work */
}

static int take_dots(struct sendmail *s, const char *value)
{
	(void)value;
	s->keep_dots = true;
	return 0;
}

static int take_header(struct sendmail *s, const char *value)
{
	(void)value;
	s->take_recipients = true;
	return 0;
}

/* -q: now. -q30m was for a daemon that ran the queue. */
static int take_queue(struct sendmail *s, const char *value)
{
	if (!value[0] || value[0] == 'f')
		s->mode = MODE_FLUSH;
	return 0;
}

static const struct option options[] = {
	{'A', VALUE_ATTACHED, NULL}, /* -Ac, -Am */
	{'B', VALUE_NEXT, NULL},     /* body type: seen in the body */
	{'C', VALUE_NEXT, take_config},
	{'E', VALUE_NONE, NULL},
	{'F', VALUE_NEXT, take_full_name},
	{'G', VALUE_NONE, NULL},
	{'I', VALUE_NONE, NULL},
	{'L', VALUE_NEXT, NULL},
	{'N', VALUE_NEXT, take_notify},
	{'O', VALUE_NEXT, NULL},
	{'R', VALUE_NEXT, take_ret},
	{'U', VALUE_NONE, NULL},
	{'V', VALUE_NEXT, take_envid},
	{'X', VALUE_NEXT, NULL},
	{'b', VALUE_ATTACHED, take_mode},
	{'d', VALUE_ATTACHED, NULL},
	{'e', VALUE_ATTACHED, NULL},
	{'f', VALUE_NEXT, take_sender},
	{'h', VALUE_NEXT, NULL},
	{'i', VALUE_NONE, take_dots},
	{'m', VALUE_NONE, NULL},
	{'n', VALUE_NONE, NULL},
	{'o', VALUE_ATTACHED, take_old_option},
	{'p', VALUE_NEXT, NULL},
	{'q', VALUE_ATTACHED, take_queue},
	{'r', VALUE_NEXT, take_sender},
	{'s', VALUE_NONE, NULL},
	{'t', VALUE_NONE, take_header},
	{'v', VALUE_NONE, NULL},
	{'x', VALUE_NONE, NULL},
};

static const struct option *find_option(char letter)
{
	for (size_t i = 0; i < COUNT_OF(options); i++)
		if (options[i].letter == letter)
			return &options[i];
	return NULL;
}

/* A word of options: "-t", "-ti", "-fsender", "-f sender". *i is moved past a value's own word. */
static int take_word(struct sendmail *s, int argc, char **argv, int *i)
{
	for (const char *p = argv[*i] + 1; *p; p++) {
		const struct option *o = find_option(*p);
		const char *value = p + 1;
		if (!o)
			return say(EX_USAGE, "There is no option -%c.",
				*p > ' ' && *p < 127 ? *p : '?');
		if (o->kind == VALUE_NEXT && !*value) {
			if (++*i == argc)
				return say(EX_USAGE, "-%c needs a value.", o->letter);
			value = argv[*i];
		}
		int rc = o->take ? o->take(s, o->kind == VALUE_NONE ? "" : value) : 0;
		if (rc || o->kind != VALUE_NONE)
			return rc;
	}
	return 0;
}

/* Spelled and read again: what comes out is what SMTP takes, or NULL. */
static const char *canonical(struct sendmail *s, const char *local, const char *domain)
{
	struct address whole, raw = {.local = local, .domain = *domain ? domain : s->domain};
	const char *why;
	if (!*local || address_parse(span_of(address_text(s->pool, &raw)), ADDRESS_UTF8_OK, s->pool,
			       &whole, &why) < 0)
		return NULL;
	return address_text(s->pool, &whole);
}

static const char *canonical_item(struct sendmail *s, const struct address_item *item)
{
	return canonical(s, pool_span(s->pool, item->local),
		item->domain.n ? pool_span(s->pool, item->domain) : "");
}

/* A header field may hold anything and is made sense of. An argument without list or brackets is an
 * address or a mistake: "a b" is not taken for two. */
static bool is_plain(struct span text)
{
	return !memchr(text.p, '<', text.n) && !memchr(text.p, ',', text.n) &&
	       !memchr(text.p, '(', text.n);
}

const char *address_complete(struct sendmail *s, struct span text)
{
	struct address_reader reader;
	struct address_item item;
	struct address plain;
	const char *why;
	if (is_plain(text))
		return address_parse(text, ADDRESS_UTF8_OK | ADDRESS_NO_DOMAIN_OK, s->pool, &plain,
			       &why) < 0
			       ? NULL
			       : canonical(s, plain.local, plain.domain);
	address_reader_init(&reader, text, s->pool);
	while (address_read(&reader, &item))
		if (item.kind == ADDRESS_MAILBOX)
			return canonical_item(s, &item);
	return NULL;
}

int recipients_add(struct sendmail *s, struct span text)
{
	struct address_reader reader;
	struct address_item item;
	size_t before = s->recipients.n;
	address_reader_init(&reader, text, s->pool);
	while (address_read(&reader, &item)) {
		const char *address = item.kind == ADDRESS_MAILBOX ? canonical_item(s, &item) : "";
		if (!address)
			return -1;
		if (*address)
			*array_add(&s->recipients) = address;
	}
	return s->recipients.n > before ? 0 : -1;
}

static int take_argument(struct sendmail *s, const char *arg)
{
	struct span text = span_trim(span_of(arg));
	const char *address = is_plain(text) ? address_complete(s, text) : NULL;
	if (address)
		*array_add(&s->recipients) = address;
	else if (is_plain(text) || recipients_add(s, text) < 0)
		return say(EX_USAGE, "\"%.200s\" is not an address.", arg);
	return EX_OK;
}

int options_parse(struct sendmail *s, int argc, char **argv)
{
	int i = 1, rc = 0;
	for (; rc == 0 && i < argc && argv[i][0] == '-' && argv[i][1]; i++) {
		if (strlen(argv[i]) > ARGUMENT_MAX)
			return say(EX_USAGE, "An argument is too long.");
		if (strcmp(argv[i], "--") == 0) {
			i++;
			break;
		}
		rc = take_word(s, argc, argv, &i);
	}
	for (; rc == 0 && i < argc; i++)
		rc = take_argument(s, argv[i]);
	return rc;
}
