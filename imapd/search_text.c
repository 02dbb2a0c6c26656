/*
 * Words in messages: headers with their encoded words decoded, bodies with transfer encoding and
 * charset taken off, both folded. A body is decoded in pieces, so that a large one needs no large
 * memory.
 */
#include "imapd/search.h"

#include "base/num.h"
#include "imap/fold.h"
#include "mail/address.h"
#include "mail/charset.h"
#include "mail/encoded.h"
#include "mail/header.h"
#include "mail/transfer.h"

#define PIECE (16 * 1024)
/* Text of one header field that is looked at. */
#define FIELD_MAX (256 * 1024)

static bool contains(struct span text, struct span word)
{
	return word.n == 0 || (text.n >= word.n && memmem(text.p, text.n, word.p, word.n));
}

/* Where a header is folded its writer leaves a tab or many blanks for what a reader sees, and types,
 * as one space. */
void search_join_blanks(struct str *text)
{
	size_t n = 0;

	for (size_t i = 0; i < text->len; i++) {
		bool blank = text->s[i] == ' ' || text->s[i] == '\t';
		if (!blank || n == 0 || text->s[n - 1] != ' ')
			text->s[n++] = blank ? ' ' : text->s[i];
	}
	str_truncate(text, n);
}

static bool field_contains(struct search_run *r, struct span value, const struct needle *needle)
{
	if (needle->joined.n == 0)
		return true;
	value.n = num_min(value.n, FIELD_MAX);
	str_reset(&r->decoded);
	str_reset(&r->folded);
	encoded_put_decoded(&r->decoded, value);
	fold_put(&r->folded, str_span(&r->decoded));
	search_join_blanks(&r->folded);
	return contains(str_span(&r->folded), needle->joined);
}

/* --- HEADER, FROM, SUBJECT ... --- */

typedef bool (*value_fn)(struct search_run *r, struct span value, const struct needle *needle);

/* One of the fields, which `has` looks at. name.p NULL: any field, and its name is of the text, too. */
static bool header_has(struct search_run *r, struct span header, struct span name,
	value_fn has, const struct needle *needle)
{
	struct header_reader reader;
	struct header_field field;

	header_reader_init(&reader, header);
	for (; header_read(&reader, &field); fiber_breathe()) {
		if (field.name.n == 0 || (name.p && !span_ieq(field.name, name)))
			continue;
		if (has(r, name.p ? field.value : field.whole, needle))
			return true;
	}
	return false;
}

/* FROM, TO, CC and BCC search the envelope's address structures (RFC 3501 6.4.4), where comments,
 * blanks and quotes of an address are gone; but who sees the field as it is written finds that,
 * too. */
static bool addresses_contain(struct search_run *r, struct span value, const struct needle *needle)
{
	struct address_reader reader;
	struct address_item item;
	struct str text = STR_IN(r->row_pool);

	if (field_contains(r, value, needle))
		return true;
	address_reader_init(&reader, span_make(value.p, num_min(value.n, FIELD_MAX)), r->row_pool);
	while (address_read(&reader, &item)) {
		str_add_span(&text, item.name);
		str_puts(&text, " <");
		str_add_span(&text, item.local);
		str_putc(&text, '@');
		str_add_span(&text, item.domain);
		str_puts(&text, "> ");
	}
	return field_contains(r, str_span(&text), needle);
}

static bool summary_contains(struct search_run *r, const struct summary *summary,
	enum summary_field id, struct span name, value_fn has, const struct needle *needle)
{
	struct span rest = summary->fields, whole;
	enum summary_field at;

	while (summary_field_next(&rest, &at, &whole))
		if (at == id && header_has(r, whole, name, has, needle))
			return true;
	return false;
}

bool search_match_header(
	struct search_run *r, const char *name, bool addresses, const struct needle *needle)
{
	value_fn has = addresses ? addresses_contain : field_contains;
	fiber_breathe();
	int kept = summary_field_of(span_of(name));
	const struct summary *summary = kept >= 0 ? search_summary(r) : NULL;
	struct span header;

	if (summary && !(summary->flags & SUMMARY_FIELDS_CUT))
		return summary_contains(
			r, summary, (enum summary_field)kept, span_of(name), has, needle);
	return search_header(r, &header) && header_has(r, header, span_of(name), has, needle);
}

/* --- BODY, TEXT --- */

struct matcher {
	const struct needle *needle;
	struct str text; /* folded; its end is kept for the next piece */
};

static bool match_piece(struct matcher *m, struct span utf8)
{
	fold_put(&m->text, utf8);
	if (contains(str_span(&m->text), m->needle->text))
		return true;
	if (m->text.len >= m->needle->text.n)
		str_consume(&m->text, m->text.len - (m->needle->text.n - 1));
	return false;
}

static bool match_part(const struct mime_part *part, struct span body, const struct needle *needle)
{
	struct matcher m = {.needle = needle};
	struct charset *cs = charset_open(mime_part_charset(part));
	struct str raw = STR_INIT, utf8 = STR_INIT;
	struct transfer transfer;
	bool found = false;

	transfer_init(&transfer, mime_part_encoding(part));
	for (size_t at = 0; at <= body.n && !found; at += PIECE) {
		bool end = body.n - at <= PIECE;
		str_reset(&raw);
		str_reset(&utf8);
		transfer_put(&transfer, &raw, span_make(body.p + at, end ? body.n - at : PIECE));
		if (end)
			transfer_end(&transfer, &raw);
		if (cs)
			charset_put(cs, &utf8, str_span(&raw), end);
		found = match_piece(&m, cs ? str_span(&utf8) : str_span(&raw));
		if (end)
			break;
		fiber_breathe();
	}
	charset_close(&cs);
	str_fini(&raw);
	str_fini(&utf8);
	str_fini(&m.text);
	return found;
}

struct structure {
	struct span message;
	struct pool *pool;
	struct mime *mime;
};

static int parse_apart(void *arg)
{
	struct structure *job = arg;

	mime_parse(job->message, job->pool, job->mime);
	return 0;
}

/* A large message on a helper thread: nobody else waits for it. */
static void parse_structure(struct search_run *r, struct span message, struct mime *mime_r)
{
	struct structure job = {message, r->row_pool, mime_r};

	if (r->large)
		io_call(parse_apart, &job);
	else
		parse_apart(&job);
}

bool search_match_text(struct search_run *r, const struct needle *needle, bool headers)
{
	struct span message, any = span_make(NULL, 0);
	struct mime mime;

	fiber_breathe();
	if (needle->text.n == 0)
		return true;
	if (!search_message(r, &message))
		return false;
	if (headers && header_has(r, message, any, field_contains, needle))
		return true;
	parse_structure(r, message, &mime);
	for (uint32_t i = 0; i < mime.n; i++) {
		const struct mime_part *part = &mime.parts[i];
		/* The headers of parts and of messages within are in the body of this one. */
		if (i && header_has(r, mime_part_header(&mime, part), any, field_contains, needle))
			return true;
		if (part->kind == MIME_TEXT &&
			match_part(part, mime_part_body(&mime, part), needle))
			return true;
	}
	return false;
}
