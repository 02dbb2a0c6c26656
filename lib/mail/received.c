#include "mail/received.h"

#include "mail/header.h"

const char *received_with(unsigned flags)
{
	/* Indexed by TLS and AUTH. RFC 3848, RFC 6531 4.3. */
	static const char *const esmtp[] = {"ESMTP", "ESMTPS", "ESMTPA", "ESMTPSA"};
	static const char *const lmtp[] = {"LMTP", "LMTPS", "LMTPA", "LMTPSA"};
	static const char *const utf8_smtp[] = {"UTF8SMTP", "UTF8SMTPS", "UTF8SMTPA", "UTF8SMTPSA"};
	static const char *const utf8_lmtp[] = {"UTF8LMTP", "UTF8LMTPS", "UTF8LMTPA", "UTF8LMTPSA"};
	unsigned how = flags / RECEIVED_TLS & 3;
	if (flags & RECEIVED_LOCAL)
		return "local";
	if (flags & RECEIVED_LMTP)
		return flags & RECEIVED_UTF8 ? utf8_lmtp[how] : lmtp[how];
	if (flags & RECEIVED_UTF8)
		return utf8_smtp[how];
	return flags & (RECEIVED_ESMTP | RECEIVED_TLS | RECEIVED_AUTH) ? esmtp[how] : "SMTP";
}

static bool is_set(const char *s)
{
	return s && *s;
}

/* Octets that can't start, end or nest a comment, fold or end the field. */
static void put_clean(struct str *out, const char *s)
{
	for (; *s; s++) {
		bool odd = (unsigned char)*s <= ' ' || *s == 0x7f || strchr("()\\\"<>;,", *s);
		str_putc(out, odd ? '?' : *s);
	}
}

/* What TLS or a user name say, inside a comment. */
static void put_comment(struct str *out, const char *before, const char *s)
{
	str_printf(out, " (%s", before);
	for (; *s; s++)
		str_putc(out, (unsigned char)*s < ' ' || strchr("()\\", *s) ? '?' : *s);
	str_putc(out, ')');
}

static void put_from(struct str *v, const struct received *r)
{
	if (r->flags & RECEIVED_LOCAL)
		return;
	str_puts(v, "from ");
	put_clean(v, is_set(r->helo) ? r->helo : "unknown");
	str_puts(v, " (");
	put_clean(v, is_set(r->host) ? r->host : "unknown");
	str_puts(v, " [");
	if (is_set(r->ip) && strchr(r->ip, ':'))
		str_puts(v, "IPv6:");
	put_clean(v, is_set(r->ip) ? r->ip : "unknown");
	str_puts(v, "]) ");
}

void received_put(struct str *out, const struct received *r)
{
	struct str v = STR_INIT;
	put_from(&v, r);
	str_puts(&v, "by ");
	put_clean(&v, r->by);
	str_puts(&v, " with ");
	str_puts(&v, received_with(r->flags));
	if (is_set(r->tls))
		put_comment(&v, "", r->tls);
	if (is_set(r->auth))
		put_comment(&v, "authenticated as ", r->auth);
	if (is_set(r->id)) {
		str_puts(&v, " id ");
		put_clean(&v, r->id);
	}
	if (is_set(r->for_address))
		str_printf(&v, " for <%s>", r->for_address);
	str_puts(&v, "; ");
	date_put(&v, &r->date);
	header_put(out, "Received", str_span(&v));
	str_fini(&v);
}

void return_path_put(struct str *out, const char *sender)
{
	struct str v = STR_INIT;
	str_printf(&v, "<%s>", sender ? sender : "");
	header_put(out, "Return-Path", str_span(&v));
	str_fini(&v);
}

unsigned received_count(struct span message)
{
	return header_count(message, "Received");
}
