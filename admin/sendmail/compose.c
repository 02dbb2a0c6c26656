/*
 * A message from whatever a program wrote: lines of any kind become CRLF lines that SMTP takes, the
 * header gets what RFC 5322 asks for, and no header line can be made by an option or a name.
 */
#include <errno.h>
#include <unistd.h>

#include "admin/sendmail/sendmail.h"
#include "base/clock.h"
#include "mail/date.h"
#include "mail/header.h"
#include "mail/trace.h"

#define BLOCK       65536
#define LINE_OCTETS 60000 /* longer lines are broken: smtpd takes 64 KiB */

/* A line without its end, made fit for SMTP: NULs and bare CRs become blanks. */
static void put_line(struct str *out, struct span line)
{
	while (line.n > LINE_OCTETS) {
		put_line(out, span_make(line.p, LINE_OCTETS));
		str_putc(out, ' ');
		line = span_make(line.p + LINE_OCTETS, line.n - LINE_OCTETS);
	}
	if (line.n && line.p[line.n - 1] == '\r')
		line.n--;
	char *to = str_reserve(out, line.n);
	for (size_t i = 0; i < line.n; i++)
		to[i] = line.p[i] == '\0' || line.p[i] == '\r' ? ' ' : line.p[i];
	out->len += line.n;
	str_add(out, "\r\n", 2);
}

/* All of standard input; EX_DATAERR when it is larger than messages may be. */
static int read_input(struct sendmail *s, struct str *raw)
{
	ssize_t n;
	do {
		n = read(STDIN_FILENO, str_reserve(raw, BLOCK), BLOCK);
		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return say(EX_IOERR, "Standard input can't be read.");
		raw->len += (size_t)n;
		if (raw->len > s->config->common.message_size_limit)
			return say(EX_DATAERR, "The message is too big.");
	} while (n);
	return EX_OK;
}

/* The lines up to the end, or up to a dot alone. */
static void put_lines(struct sendmail *s, struct str *out, struct span raw)
{
	bool first = true;
	while (raw.n) {
		size_t end = span_index(raw, 0, '\n');
		struct span line = span_make(raw.p, end);
		size_t used = end < raw.n ? end + 1 : end;
		raw = span_make(raw.p + used, raw.n - used);
		if (!s->keep_dots && (span_is(line, ".") || span_is(line, ".\r")))
			return;
		/* What mbox files begin with is no header. */
		if (!first || !span_has_prefix(line, SPAN_LIT("From ")))
			put_line(out, line);
		first = false;
	}
}

struct seen {
	bool from, date, message_id, resent;
};

static bool is_recipient_field(struct span name, bool resent)
{
	static const char *const names[] = {"To", "Cc", "Bcc"};
	if (resent != span_ihas_prefix(name, SPAN_LIT("Resent-")))
		return false;
	struct span rest = resent ? span_make(name.p + 7, name.n - 7) : name;
	for (size_t i = 0; i < COUNT_OF(names); i++)
		if (span_iis(rest, names[i]))
			return true;
	return false;
}

static bool is_dropped(struct span name)
{
	return span_iis(name, "Bcc") || span_iis(name, "Resent-Bcc") ||
	       span_iis(name, "Return-Path");
}

static void look(struct span text, struct seen *seen)
{
	struct header_reader reader;
	struct header_field f;
	header_reader_init(&reader, text);
	while (header_read(&reader, &f)) {
		seen->from |= span_iis(f.name, "From");
		seen->date |= span_iis(f.name, "Date");
		seen->message_id |= span_iis(f.name, "Message-ID");
		seen->resent |= is_recipient_field(f.name, true);
	}
}

/* RFC 5322 3.6.6: a message that was sent again goes to its Resent recipients alone. */
static int take_recipients(struct sendmail *s, struct span text, bool resent)
{
	struct header_reader reader;
	struct header_field f;
	header_reader_init(&reader, text);
	while (header_read(&reader, &f)) {
		size_t before = s->recipients.n;
		if (!is_recipient_field(f.name, resent))
			continue;
		if (recipients_add(s, f.value) < 0 && s->recipients.n == before &&
			memchr(f.value.p, '@', f.value.n))
			return say(EX_DATAERR, "The field %.*s holds no address.", (int)f.name.n,
				f.name.p);
	}
	return EX_OK;
}

static void put_from(struct sendmail *s, struct str *out)
{
	const char *name = s->full_name ? s->full_name : s->gecos_name;
	const char *address = s->sender && *s->sender
				      ? s->sender
				      : pool_printf(s->pool, "%s@%s", s->login, s->domain);
	struct str value = STR_IN(s->pool);
	if (*name) {
		/* A quoted string; what can't be in one is left out. Others than ASCII become
		 * encoded words. */
		bool ascii = true;
		for (const char *p = name; *p; p++)
			ascii &= !((unsigned char)*p & 0x80);
		str_puts(&value, ascii ? "\"" : "");
		for (const char *p = name; *p; p++)
			if ((unsigned char)*p >= ' ' && *p != 127 && *p != '"' && *p != '\\' &&
				(ascii || !strchr("<>(),;:@[].", *p)))
				str_putc(&value, *p);
		str_puts(&value, ascii ? "\" " : " ");
	}
	str_printf(&value, "<%s>", address);
	header_put_text(out, "From", str_span(&value), false);
}

static void put_missing(struct sendmail *s, struct str *out, const struct seen *seen)
{
	struct str value = STR_IN(s->pool);
	if (!seen->from)
		put_from(s, out);
	if (!seen->date) {
		struct date now = date_now();
		date_put(&value, &now);
		header_put(out, "Date", str_span(&value));
	}
	if (!seen->message_id) {
		struct trace_id id = trace_id_make(clock_wall_us());
		str_reset(&value);
		str_printf(&value, "<%s@%s>", id.s, s->config->common.hostname);
		header_put(out, "Message-ID", str_span(&value));
	}
}

/* The header, with the empty line that ends it. A line that is no field begins the body. */
static struct span fields_of(struct span text)
{
	struct header_reader reader;
	struct header_field f;
	header_reader_init(&reader, text);
	while (header_read(&reader, &f))
		if (!f.name.n)
			return span_make(text.p, (size_t)(f.whole.p - text.p));
	return span_make(text.p, (size_t)(reader.p - text.p));
}

/* The fields that stay and those that have to be there, then the empty line and the body. */
static void put_message(
	struct sendmail *s, struct str *out, struct span text, struct span fields, const struct seen *seen)
{
	struct header_reader reader;
	struct header_field f;
	header_reader_init(&reader, fields);
	while (header_read(&reader, &f))
		if (!is_dropped(f.name))
			str_add_span(out, f.whole);
	put_missing(s, out, seen);
	str_puts(out, "\r\n");
	str_add(out, text.p + fields.n, text.n - fields.n);
}

int compose(struct sendmail *s, struct str *message)
{
	struct str raw = STR_INIT, lines = STR_INIT;
	struct span fields = {0};
	struct seen seen = {0};
	int rc = read_input(s, &raw);
	str_reserve(&lines, 1); /* an empty message has a place, too */
	if (rc == EX_OK) {
		put_lines(s, &lines, str_span(&raw));
		fields = fields_of(str_span(&lines));
		look(fields, &seen);
		if (s->take_recipients)
			rc = take_recipients(s, fields, seen.resent);
	}
	if (rc == EX_OK)
		put_message(s, message, str_span(&lines), fields, &seen);
	str_fini(&raw);
	str_fini(&lines);
	return rc;
}
