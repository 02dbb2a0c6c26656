#include "mail/dsn.h"

#include "base/num.h"
#include "base/utf8.h"
#include "mail/date.h"
#include "mail/header.h"

static const struct {
	const char *action; /* RFC 3464 2.3.3 */
	const char *subject;
	const char *text;
} kinds[] = {
	[DSN_FAILED] = {"failed", "Undelivered mail returned to sender",
		"Your message could not be delivered to the recipients below. It is attached;\r\n"
		"no further attempt will be made.\r\n"},
	[DSN_DELAYED] = {"delayed", "Delayed mail (still being retried)",
		"Your message could not be delivered to the recipients below yet. You need not\r\n"
		"send it again: delivery is still being tried.\r\n"},
	[DSN_DELIVERED] = {"delivered", "Mail was delivered",
		"Your message was delivered to the recipients below, as you asked to be told.\r\n"},
	[DSN_RELAYED] = {"relayed", "Mail was relayed",
		"Your message was handed to a mail system that sends no delivery reports, for\r\n"
		"the recipients below.\r\n"},
	[DSN_EXPANDED] = {"expanded", "Mail was expanded to a list",
		"Your message was delivered to the list or alias below and sent on from "
		"there.\r\n"},
};

static bool is_set(const char *s)
{
	return s && *s;
}

static void put_field(struct str *out, const char *name, const char *value)
{
	header_put(out, name, span_of(value));
}

static void put_date(struct str *out, const char *name, int64_t at_s)
{
	struct str value = STR_INIT;
	struct date date = {at_s, date_now().zone_min};
	date_put(&value, &date);
	header_put(out, name, str_span(&value));
	str_fini(&value);
}

static void put_typed(struct str *out, const char *name, const char *type, const char *value)
{
	struct str v = STR_INIT;
	str_printf(&v, "%s; %s", type, value);
	header_put(out, name, str_span(&v));
	str_fini(&v);
}

/* Octets past 127 in the report itself: only where an address has them. */
static bool is_utf8(const struct dsn *d)
{
	bool ascii = utf8_is_ascii(span_of(d->to));
	for (size_t i = 0; i < d->nrow; i++)
		ascii = ascii && utf8_is_ascii(span_of(d->rows[i].final_recipient)) &&
			utf8_is_ascii(span_of(d->rows[i].original));
	return !ascii || d->utf8;
}

/* Text of other hosts: one line, valid UTF-8, or ASCII with anything else as '?'. */
static void put_line(struct str *out, const char *s, bool utf8)
{
	size_t start = out->len;
	utf8_put_clean(out, span_of(s));
	for (size_t i = start; i < out->len; i++) {
		unsigned char c = (unsigned char)out->s[i];
		if (c < ' ' || c == 0x7f)
			out->s[i] = ' ';
		else if (c >= 0x80 && !utf8)
			out->s[i] = '?';
	}
}

static void put_top(struct str *out, const struct dsn *d, bool eight_bit)
{
	struct str v = STR_INIT;
	put_date(out, "Date", d->now_s);
	str_printf(&v, "Mail Delivery System <%s>", d->from);
	header_put(out, "From", str_span(&v));
	str_reset(&v);
	str_printf(&v, "<%s>", d->to);
	header_put(out, "To", str_span(&v));
	put_field(out, "Subject", kinds[d->kind].subject);
	if (is_set(d->message_id))
		put_field(out, "Message-ID", d->message_id);
	put_field(out, "Auto-Submitted", "auto-replied");
	put_field(out, "MIME-Version", "1.0");
	str_reset(&v);
	str_printf(
		&v, "multipart/report; report-type=delivery-status; boundary=\"%s\"", d->boundary);
	header_put(out, "Content-Type", str_span(&v));
	if (eight_bit)
		put_field(out, "Content-Transfer-Encoding", "8bit");
	str_puts(out, "\r\n");
	str_fini(&v);
}

static void open_part(struct str *out, const struct dsn *d, const char *type, bool eight_bit)
{
	str_printf(out, "--%s\r\nContent-Type: %s\r\n", d->boundary, type);
	if (eight_bit)
		str_puts(out, "Content-Transfer-Encoding: 8bit\r\n");
	str_puts(out, "\r\n");
}

static void put_text_row(struct str *out, const struct dsn_row *row, bool utf8)
{
	str_puts(out, "\r\n<");
	put_line(out, row->final_recipient, utf8);
	str_puts(out, ">\r\n    ");
	put_line(out, is_set(row->outcome.text) ? row->outcome.text : "No reason was given.", utf8);
	str_puts(out, "\r\n");
	if (is_set(row->outcome.remote_mta)) {
		str_puts(out, "    (said by ");
		put_line(out, row->outcome.remote_mta, utf8);
		str_puts(out, ")\r\n");
	}
}

static void put_text(struct str *out, const struct dsn *d, bool utf8)
{
	open_part(
		out, d, utf8 ? "text/plain; charset=utf-8" : "text/plain; charset=us-ascii", utf8);
	str_puts(out, "This is the mail system at ");
	put_line(out, d->reporting_mta, utf8);
	str_puts(out, ".\r\n\r\n");
	str_puts(out, kinds[d->kind].text);
	for (size_t i = 0; i < d->nrow; i++)
		put_text_row(out, &d->rows[i], utf8);
	if (is_set(d->queue_id))
		str_printf(out, "\r\nThe message is known here as %s.\r\n", d->queue_id);
	str_puts(out, "\r\n");
}

/* "rfc822;a@b": the type goes in front of the value with "; " (RFC 3464 2.3.1); what isn't ASCII
 * is of type utf-8 (RFC 6533 3). */
static void put_original(struct str *out, const char *orcpt)
{
	struct span all = span_of(orcpt);
	size_t semi = span_index(all, 0, ';');
	struct str v = STR_INIT;
	if (semi == all.n) {
		str_puts(&v, "rfc822; ");
		str_add_span(&v, all);
	} else {
		str_add(&v, all.p, semi);
		str_puts(&v, "; ");
		str_add_span(&v, span_trim(span_make(all.p + semi + 1, all.n - semi - 1)));
	}
	header_put(out, "Original-Recipient", str_span(&v));
	str_fini(&v);
}

static void put_diagnostic(struct str *out, const struct outcome *o, bool utf8)
{
	struct str v = STR_INIT;
	bool remote = is_set(o->remote_mta);
	if (remote)
		put_typed(out, "Remote-MTA", "dns", o->remote_mta);
	str_puts(&v, remote ? "smtp; " : "x-thurn; ");
	put_line(&v, o->text, utf8);
	header_put(out, "Diagnostic-Code", str_span(&v));
	str_fini(&v);
}

static void put_row(struct str *out, const struct dsn_row *row, bool utf8)
{
	bool ascii = utf8_is_ascii(span_of(row->final_recipient));
	str_puts(out, "\r\n");
	if (is_set(row->original))
		put_original(out, row->original);
	put_typed(out, "Final-Recipient", ascii ? "rfc822" : "utf-8", row->final_recipient);
	put_field(out, "Action", kinds[row->action].action);
	put_field(out, "Status", is_set(row->outcome.status) ? row->outcome.status : "4.0.0");
	if (is_set(row->outcome.text))
		put_diagnostic(out, &row->outcome, utf8);
	if (row->last_attempt_s)
		put_date(out, "Last-Attempt-Date", row->last_attempt_s);
	if (row->will_retry_until_s)
		put_date(out, "Will-Retry-Until", row->will_retry_until_s);
}

static void put_status(struct str *out, const struct dsn *d, bool utf8)
{
	open_part(
		out, d, utf8 ? "message/global-delivery-status" : "message/delivery-status", utf8);
	if (is_set(d->envid))
		put_field(out, "Original-Envelope-Id", d->envid);
	put_typed(out, "Reporting-MTA", "dns", d->reporting_mta);
	if (d->arrival_s)
		put_date(out, "Arrival-Date", d->arrival_s);
	for (size_t i = 0; i < d->nrow; i++)
		put_row(out, &d->rows[i], utf8);
	str_puts(out, "\r\n");
}

/* Lines end in CRLF afterwards, the last one too. */
static void put_lines(struct str *out, struct span text)
{
	struct span rest = text, line;
	while (span_split(&rest, '\n', &line)) {
		if (!rest.p && !line.n)
			break;
		if (line.n && line.p[line.n - 1] == '\r')
			line.n--;
		str_add_span(out, line);
		str_puts(out, "\r\n");
	}
}

static bool is_headers_only(const struct dsn *d)
{
	return d->headers_only || d->kind != DSN_FAILED || d->message.n > DSN_RETURN_MAX;
}

static struct span returned_text(const struct dsn *d)
{
	struct span text = d->message;
	if (is_headers_only(d))
		text.n = num_min(header_length(text), DSN_RETURN_MAX);
	return text;
}

static void put_returned(struct str *out, const struct dsn *d, struct span text, bool utf8)
{
	static const char *const types[2][2] = {{"message/rfc822", "message/global"},
		{"text/rfc822-headers", "message/global-headers"}};
	bool eight_bit = !utf8_is_ascii(text);
	open_part(out, d, types[is_headers_only(d)][utf8 && eight_bit], eight_bit);
	put_lines(out, text);
}

void dsn_put(struct str *out, const struct dsn *d)
{
	bool utf8 = is_utf8(d);
	struct span returned = returned_text(d);
	put_top(out, d, utf8 || !utf8_is_ascii(returned));
	put_text(out, d, utf8);
	put_status(out, d, utf8);
	put_returned(out, d, returned, utf8);
	str_printf(out, "\r\n--%s--\r\n", d->boundary);
}
