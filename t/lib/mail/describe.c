/*
 * Prints what lib/mail makes of messages, one JSON object a line, for the comparison with Python's
 * email package. Octets are given as code points 0-255. With --crlf bare LF becomes CRLF first.
 */
#include <stdio.h>
#include <string.h>

#include "mail/address.h"
#include "mail/date.h"
#include "mail/encoded.h"
#include "mail/header.h"
#include "mail/summary.h"

static void put_json(struct str *out, struct span s)
{
	if (!s.p) {
		str_puts(out, "null");
		return;
	}
	str_putc(out, '"');
	for (size_t i = 0; i < s.n; i++) {
		unsigned char c = (unsigned char)s.p[i];
		if (c < ' ' || c >= 0x7f || c == '"' || c == '\\')
			str_printf(out, "\\u%04x", c);
		else
			str_putc(out, (char)c);
	}
	str_putc(out, '"');
}

static void put_member(struct str *out, const char *name, struct span value)
{
	str_printf(out, ",\"%s\":", name);
	put_json(out, value);
}

static void put_params(struct str *out, const struct params *params)
{
	str_puts(out, ",\"params\":{");
	for (size_t i = 0; i < params->n; i++) {
		str_puts(out, i ? "," : "");
		put_json(out, params->v[i].name);
		str_putc(out, ':');
		put_json(out, params->v[i].value);
	}
	str_putc(out, '}');
}

static void put_part(struct str *out, const struct mime_part *part)
{
	struct str name = STR_INIT;
	str_printf(out,
		"{\"kind\":%d,\"depth\":%u,\"header_at\":%zu,\"header_len\":%zu,\"body_at\":%zu,"
		"\"body_len\":%zu,\"lines\":%u",
		(int)part->kind, part->depth, part->header_at, part->header_len, part->body_at,
		part->body_len, part->body_lines);
	put_member(out, "type", part->type);
	put_member(out, "subtype", part->subtype);
	put_member(out, "encoding", part->encoding);
	put_member(out, "disposition", part->disposition);
	if (mime_part_put_filename(part, &name))
		put_member(out, "filename", str_span(&name));
	put_params(out, &part->params);
	str_putc(out, '}');
	str_fini(&name);
}

static void put_addresses(
	struct str *out, struct span message, const char *field, struct pool *pool)
{
	struct address_reader r;
	struct address_item item;
	struct span value;
	if (!header_find(message, field, &value))
		return;
	str_printf(out, ",\"%s\":[", field);
	address_reader_init(&r, value, pool);
	for (int n = 0; address_read(&r, &item); n++) {
		str_printf(out, "%s{\"kind\":%d", n ? "," : "", (int)item.kind);
		put_member(out, "name", item.name);
		put_member(out, "local", item.local);
		put_member(out, "domain", item.domain);
		str_putc(out, '}');
	}
	str_putc(out, ']');
}

static void put_summary(struct str *out, struct span message)
{
	struct str blob = STR_INIT, body = STR_INIT;
	struct summary s;
	mail_summarize(message, &blob);
	str_printf(out, ",\"summary_rc\":%d", summary_parse(str_span(&blob), &s));
	summary_put_body(&body, &s);
	put_member(out, "envelope", s.envelope);
	put_member(out, "bodystructure", s.bodystructure);
	put_member(out, "body", str_span(&body));
	put_member(out, "base", s.subject);
	put_member(out, "preview", s.preview);
	if (s.sent_s != SUMMARY_NO_DATE)
		str_printf(out, ",\"sent\":%lld,\"zone\":%d", (long long)s.sent_s, s.sent_zone_min);
	str_printf(out, ",\"flags\":%u,\"blob_len\":%zu", s.flags, blob.len);
	str_fini(&blob);
	str_fini(&body);
}

static void describe(const char *path, struct span message)
{
	struct str out = STR_INIT, subject = STR_INIT;
	struct pool *pool = pool_new("describe");
	struct span value;
	struct mime m;
	mime_parse(message, pool, &m);
	str_puts(&out, "{\"path\":");
	put_json(&out, span_of(path));
	str_printf(&out, ",\"size\":%zu,\"parts\":[", message.n);
	for (uint32_t i = 0; i < m.n; i++) {
		str_puts(&out, i ? "," : "");
		put_part(&out, &m.parts[i]);
	}
	str_puts(&out, "]");
	if (header_find(message, "Subject", &value)) {
		encoded_put_decoded(&subject, value);
		put_member(&out, "subject", span_make(str_c(&subject), subject.len));
	}
	put_addresses(&out, message, "From", pool);
	put_addresses(&out, message, "To", pool);
	put_addresses(&out, message, "Cc", pool);
	put_summary(&out, message);
	str_puts(&out, "}");
	puts(str_c(&out));
	str_fini(&out);
	str_fini(&subject);
	pool_free(&pool);
}

static int read_file(const char *path, bool crlf, struct str *out)
{
	FILE *f = fopen(path, "rb");
	if (!f) {
		fprintf(stderr, "%s can't be read.\n", path);
		return -1;
	}
	int last = 0;
	for (int c; (c = getc(f)) != EOF; last = c) {
		if (crlf && c == '\n' && last != '\r')
			str_putc(out, '\r');
		str_putc(out, (char)c);
	}
	fclose(f);
	return 0;
}

int main(int argc, char **argv)
{
	bool crlf = argc > 1 && strcmp(argv[1], "--crlf") == 0;
	struct str message = STR_INIT;
	int rc = 0;
	for (int i = 1 + crlf; i < argc; i++) {
		str_reset(&message);
		if (read_file(argv[i], crlf, &message) == 0)
			describe(argv[i], str_span(&message));
		else
			rc = 1;
	}
	str_fini(&message);
	return rc;
}
