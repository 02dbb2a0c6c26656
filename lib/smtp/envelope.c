/* MAIL and RCPT: the path, then ESMTP parameters by table. */
#include "base/num.h"
#include "base/utf8.h"
#include "mail/dsn.h"
#include "smtp/command.h"

/* What a parameter may set; mail or rcpt is the command's. */
struct target {
	struct pool *pool;
	struct smtp_mail *mail;
	struct smtp_rcpt *rcpt;
};

enum { IN_MAIL = 1, IN_RCPT = 2 };

struct param_row {
	const char *name;
	unsigned in;
	unsigned extension;
	bool (*set)(struct target *t, struct span value); /* false: 501 */
	bool takes_value;
};
static const struct param_row param_rows[];

static const struct smtp_fault bad_from = {501, "5.5.4", "Syntax: MAIL FROM:<address>"};
static const struct smtp_fault bad_to = {501, "5.5.4", "Syntax: RCPT TO:<address>"};
static const struct smtp_fault bad_sender = {501, "5.1.7", "Bad sender address syntax"};
static const struct smtp_fault bad_recipient = {501, "5.1.3", "Bad recipient address syntax"};
static const struct smtp_fault utf8_sender = {553, "5.6.7", "Sender address needs SMTPUTF8"};
static const struct smtp_fault utf8_recipient = {553, "5.6.7", "Recipient address needs SMTPUTF8"};
static const struct smtp_fault not_known = {555, "5.5.4", "Parameter not recognized"};
static const struct smtp_fault bad_value = {501, "5.5.4", "Bad parameter value"};
static const struct smtp_fault twice = {501, "5.5.4", "Parameter given twice"};

static bool set_size(struct target *t, struct span value)
{
	return value.n <= 20 && num_parse_u64(value, INT64_MAX, &t->mail->size);
}

static bool set_body(struct target *t, struct span value)
{
	if (span_iis(value, "8BITMIME"))
		t->mail->body = BODY_8BITMIME;
	else if (!span_iis(value, "7BIT"))
		return false;
	return true;
}

static bool set_utf8(struct target *t, struct span value)
{
	(void)value;
	t->mail->smtputf8 = true;
	return true;
}

static bool set_ret(struct target *t, struct span value)
{
	t->mail->ret = span_iis(value, "FULL") ? DSN_RET_FULL
		: span_iis(value, "HDRS")      ? DSN_RET_HDRS
					       : DSN_RET_UNSET;
	return t->mail->ret != DSN_RET_UNSET;
}

/* xtext whose meaning is printable text in one line. */
static const char *xtext_value(struct pool *pool, struct span value)
{
	struct str text = STR_IN(pool);
	if (xtext_parse(value, &text) < 0 || !utf8_is_valid(str_span(&text)))
		return NULL;
	for (size_t i = 0; i < text.len; i++)
		if ((unsigned char)text.s[i] < ' ' || text.s[i] == 0x7f)
			return NULL;
	return str_c(&text);
}

static bool set_envid(struct target *t, struct span value)
{
	t->mail->envid = value.n <= SMTP_ENVID_MAX ? xtext_value(t->pool, value) : NULL;
	return t->mail->envid != NULL;
}

static bool set_auth(struct target *t, struct span value)
{
	struct address who;
	const char *err;
	t->mail->auth = value.n <= SMTP_ORCPT_MAX ? xtext_value(t->pool, value) : NULL;
	return t->mail->auth &&
	       (span_is(value, "<>") || address_parse(span_of(t->mail->auth), ADDRESS_UTF8_OK,
						t->pool, &who, &err) == 0);
}

static bool set_notify(struct target *t, struct span value)
{
	return notify_parse(value, &t->rcpt->notify) == 0;
}

static bool set_orcpt(struct target *t, struct span value)
{
	size_t semi = span_index(value, 0, ';');
	if (!semi || semi == value.n || value.n > SMTP_ORCPT_MAX)
		return false;
	for (size_t i = 0; i < semi; i++)
		if (!ascii_is_alnum(value.p[i]) && value.p[i] != '-')
			return false;
	const char *text = xtext_value(t->pool, span_make(value.p + semi + 1, value.n - semi - 1));
	if (!text || !*text)
		return false;
	t->rcpt->orcpt = pool_printf(t->pool, "%.*s;%s", (int)semi, value.p, text);
	return true;
}

static const struct smtp_fault *set_param(
	struct target *t, unsigned in, unsigned offers, struct span word, unsigned *given)
{
	size_t eq = span_index(word, 0, '=');
	struct span name = span_make(word.p, eq);
	const struct param_row *row = param_rows;
	while (row->name && (!(row->in & in) || !span_iis(name, row->name)))
		row++;
	if (!row->name || !(row->extension & offers))
		return &not_known;
	if (row->takes_value != (eq < word.n))
		return &bad_value;
	struct span value =
		eq < word.n ? span_make(word.p + eq + 1, word.n - eq - 1) : SPAN_LIT("");
	if (row->takes_value && !value.n)
		return &bad_value;
	unsigned bit = 1u << (row - param_rows);
	if (*given & bit)
		return &twice;
	*given |= bit;
	return row->set(t, value) ? NULL : &bad_value;
}

static const struct smtp_fault *set_params(
	struct target *t, unsigned in, unsigned offers, struct span rest)
{
	struct span word;
	unsigned given = 0;
	while (span_split(&rest, ' ', &word)) {
		if (!word.n)
			continue;
		const struct smtp_fault *fault = set_param(t, in, offers, word, &given);
		if (fault)
			return fault;
	}
	return NULL;
}

/* "FROM:" and the path; *rest_r is what follows, which begins with a space. */
static int take_path(struct span args, struct span keyword, unsigned flags, struct pool *pool,
	struct address *addr_r, struct span *rest_r)
{
	const char *err;
	size_t used;
	args = span_make(args.p + keyword.n, args.n - keyword.n);
	if (address_parse_path(args, flags | ADDRESS_UTF8_OK, pool, addr_r, &used, &err) < 0)
		return -1;
	*rest_r = span_make(args.p + used, args.n - used);
	return rest_r->n && rest_r->p[0] != ' ' ? -1 : 0;
}

const struct smtp_fault *smtp_mail_parse(struct span args, unsigned offers, unsigned address_flags,
	struct pool *pool, struct smtp_mail *mail_r)
{
	struct target t = {.pool = pool, .mail = mail_r};
	struct span rest;
	*mail_r = (struct smtp_mail){.envid = ""};
	if (!span_ihas_prefix(args, SPAN_LIT("FROM:")))
		return &bad_from;
	if (take_path(args, SPAN_LIT("FROM:"), address_flags | ADDRESS_NULL_OK, pool,
		    &mail_r->sender, &rest) < 0)
		return &bad_sender;
	const struct smtp_fault *fault = set_params(&t, IN_MAIL, offers, rest);
	if (!fault && !mail_r->smtputf8 && address_is_utf8(&mail_r->sender))
		fault = &utf8_sender;
	return fault;
}

const struct smtp_fault *smtp_rcpt_parse(struct span args, unsigned offers, unsigned address_flags,
	struct pool *pool, struct smtp_rcpt *rcpt_r)
{
	struct target t = {.pool = pool, .rcpt = rcpt_r};
	struct span rest;
	*rcpt_r = (struct smtp_rcpt){.orcpt = ""};
	if (!span_ihas_prefix(args, SPAN_LIT("TO:")))
		return &bad_to;
	if (take_path(args, SPAN_LIT("TO:"), address_flags, pool, &rcpt_r->address, &rest) < 0)
		return &bad_recipient;
	if (!(offers & SMTP_EXT_UTF8) && address_is_utf8(&rcpt_r->address))
		return &utf8_recipient;
	return set_params(&t, IN_RCPT, offers, rest);
}

static const struct param_row param_rows[] = {
	/* name       in       extension          set        =value */
	{"SIZE",     IN_MAIL, SMTP_EXT_SIZE,     set_size,   true},
	{"BODY",     IN_MAIL, SMTP_EXT_8BITMIME, set_body,   true},
	{"SMTPUTF8", IN_MAIL, SMTP_EXT_UTF8,     set_utf8,   false},
	{"RET",      IN_MAIL, SMTP_EXT_DSN,      set_ret,    true},
	{"ENVID",    IN_MAIL, SMTP_EXT_DSN,      set_envid,  true},
	{"AUTH",     IN_MAIL, SMTP_EXT_AUTH,     set_auth,   true},
	{"NOTIFY",   IN_RCPT, SMTP_EXT_DSN,      set_notify, true},
	{"ORCPT",    IN_RCPT, SMTP_EXT_DSN,      set_orcpt,  true},
	{.name = NULL},
};
