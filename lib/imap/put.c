#include "imap/put.h"

#include "imap/utf7.h"
#include "mail/date.h"

#define QUOTED_MAX 1000 /* what is longer is easier for clients as a literal */

static bool is_quotable(struct span s)
{
	for (size_t i = 0; i < s.n; i++)
		if (s.p[i] == '\r' || s.p[i] == '\n' || s.p[i] == '\0' || s.p[i] & 0x80)
			return false;
	return s.n <= QUOTED_MAX;
}

static void put_quoted(struct str *out, struct span s)
{
	str_putc(out, '"');
	for (size_t i = 0; i < s.n; i++) {
		if (s.p[i] == '"' || s.p[i] == '\\')
			str_putc(out, '\\');
		str_putc(out, s.p[i]);
	}
	str_putc(out, '"');
}

static void put_literal(struct str *out, struct span s)
{
	str_putc(out, '{');
	str_put_u64(out, s.n);
	str_puts(out, "}\r\n");
	size_t from = out->len;
	str_add_span(out, s);
	for (size_t i = from; i < out->len; i++)
		if (!out->s[i])
			out->s[i] = '?';
}

void imap_put_string(struct str *out, struct span s)
{
	if (is_quotable(s))
		put_quoted(out, s);
	else
		put_literal(out, s);
}

void imap_put_astring(struct str *out, struct span s)
{
	bool atom = s.n > 0 && !span_iis(s, "NIL");

	for (size_t i = 0; i < s.n && atom; i++)
		atom = imap_is_astring_char(s.p[i]);
	if (atom)
		str_add_span(out, s);
	else
		imap_put_string(out, s);
}

void imap_put_mailbox(struct str *out, const char *name, char separator)
{
	struct str wire = STR_INIT;

	utf7_put(&wire, span_of(name));
	if (separator != '/')
		for (size_t i = 0; i < wire.len; i++)
			if (wire.s[i] == '/')
				wire.s[i] = separator;
	imap_put_astring(out, str_span(&wire));
	str_fini(&wire);
}

bool imap_put_system_flags(struct str *out, unsigned flags)
{
	static const char *const names[] = {
		"\\Seen", "\\Answered", "\\Flagged", "\\Deleted", "\\Draft", "\\Recent"};
	size_t before = out->len;

	for (size_t i = 0; i < COUNT_OF(names); i++)
		if (flags & 1u << i) {
			if (out->len > before)
				str_putc(out, ' ');
			str_puts(out, names[i]);
		}
	return out->len > before;
}

void imap_put_date_time(struct str *out, int64_t utc_s, int zone_min)
{
	struct date date = {utc_s, zone_min};

	str_putc(out, '"');
	date_put_imap(out, &date);
	str_putc(out, '"');
}
