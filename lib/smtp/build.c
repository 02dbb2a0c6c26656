#include "smtp/build.h"

#include "base/utf8.h"
#include "mail/dsn.h"

/* What came through our own parsers can't hold line ends; what an alias file held might. */
static bool is_sendable(const char *address, bool utf8)
{
	for (const unsigned char *p = (const unsigned char *)address; *p; p++)
		if (*p < ' ' || *p == 0x7f || (*p > 0x7f && !utf8))
			return false;
	return true;
}

static void put_path(struct str *out, const char *keyword, const char *address)
{
	str_puts(out, keyword);
	str_putc(out, '<');
	str_puts(out, address);
	str_putc(out, '>');
}

static void put_dsn_mail(struct str *out, const struct smtp_mail_out *mail)
{
	if (mail->ret != DSN_RET_UNSET)
		str_puts(out, mail->ret == DSN_RET_FULL ? " RET=FULL" : " RET=HDRS");
	if (mail->envid && *mail->envid) {
		str_puts(out, " ENVID=");
		xtext_put(out, span_of(mail->envid));
	}
}

int smtp_put_mail(struct str *out, const struct smtp_mail_out *mail, unsigned extensions)
{
	bool utf8 = mail->smtputf8 && (extensions & SMTP_EXT_UTF8);
	if (!is_sendable(mail->sender, utf8))
		return -1;
	put_path(out, "MAIL FROM:", mail->sender);
	if (mail->size && (extensions & SMTP_EXT_SIZE)) {
		str_puts(out, " SIZE=");
		str_put_u64(out, mail->size);
	}
	if (mail->eight_bit && (extensions & SMTP_EXT_8BITMIME))
		str_puts(out, " BODY=8BITMIME");
	if (utf8)
		str_puts(out, " SMTPUTF8");
	if (extensions & SMTP_EXT_DSN)
		put_dsn_mail(out, mail);
	if (mail->auth && (extensions & SMTP_EXT_AUTH)) {
		str_puts(out, " AUTH=");
		xtext_put(out, span_of(mail->auth));
	}
	str_add(out, "\r\n", 2);
	return 0;
}

/* RFC 3461 5.2.1: without one from the client, the recipient as we have it. UTF-8 needs the form of
 * RFC 6533, for which the server must do SMTPUTF8. */
static void put_orcpt(struct str *out, const char *address, const struct recipient *r, bool utf8)
{
	bool given = r && r->orcpt && *r->orcpt;
	const char *semi = given ? strchr(r->orcpt, ';') : NULL;
	const char *text = semi ? semi + 1 : address;
	if ((given && !semi) || (!utf8 && !utf8_is_ascii(span_of(text))))
		return;
	str_puts(out, " ORCPT=");
	if (semi)
		str_add(out, r->orcpt, (size_t)(semi - r->orcpt));
	else
		str_puts(out, utf8_is_ascii(span_of(text)) ? "rfc822" : "utf-8");
	str_putc(out, ';');
	xtext_put(out, span_of(text));
}

int smtp_put_rcpt(struct str *out, const char *address, const struct recipient *r,
	unsigned extensions, bool smtputf8)
{
	bool utf8 = smtputf8 && (extensions & SMTP_EXT_UTF8);
	if (!is_sendable(address, utf8))
		return -1;
	put_path(out, "RCPT TO:", address);
	if (extensions & SMTP_EXT_DSN) {
		if (r && r->notify != NOTIFY_UNSET) {
			str_puts(out, " NOTIFY=");
			notify_put(out, r->notify);
		}
		put_orcpt(out, address, r, utf8);
	}
	str_add(out, "\r\n", 2);
	return 0;
}
