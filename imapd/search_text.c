/*
 * Words in messages: headers with their encoded words decoded, bodies with transfer encoding and
 * charset taken off, both folded. A body is decoded in pieces, so that a large one needs no large
 * memory.
 */
#include "imapd/search.h"

#include "base/num.h"
#include "imap/fold.h"
#include "mail/charset.h"
#include "mail/encoded.h"
#include "mail/header.h"
#include "mail/transfer.h"

#define PIECE (16 * 1024)
/* Text of one header field that is looked at. */
#define FIELD_MAX (256 * 1024)

static bool contains(struct span text, const struct needle *needle)
{
	struct span word = needle->text;

	return word.n == 0 || (text.n >= word.n && memmem(text.p, text.n, word.p, word.n));
}

static bool field_contains(struct search_run *r, struct span value, const struct needle *needle)
{
	if (needle->text.n == 0)
		return true;
	value.n = num_min(value.n, FIELD_MAX);
	str_reset(&r->decoded);
	str_reset(&r->folded);
	encoded_put_decoded(&r->decoded, value);
	fold_put(&r->folded, str_span(&r->decoded));
	return contains(str_span(&r->folded), needle);
}

/* --- HEADER, FROM, SUBJECT ... --- */

static bool header_contains(struct search_run *r, struct span header, struct span name,
	const struct needle *needle)
{
	struct header_reader reader;
	struct header_field field;

	header_reader_init(&reader, header);
	while (header_read(&reader, &field))
		if (field.name.n && (!name.p || span_ieq(field.name, name)) &&
			field_contains(r, field.value, needle))
			return true;
	return false;
}

static bool summary_contains(struct search_run *r, const struct summary *summary,
	enum summary_field id, const struct needle *needle)
{
	struct span rest = summary->fields, whole;
	enum summary_field at;

	while (summary_field_next(&rest, &at, &whole))
		if (at == id && header_contains(r, whole, span_make(NULL, 0), needle))
			return true;
	return false;
}

bool search_match_header(struct search_run *r, const char *name, const struct needle *needle)
{
	fiber_breathe();
	int kept = summary_field_of(span_of(name));
	const struct summary *summary = kept >= 0 ? search_summary(r) : NULL;
	struct span header;

	if (summary && !(summary->flags & SUMMARY_FIELDS_CUT))
		return summary_contains(r, summary, (enum summary_field)kept, needle);
	return search_header(r, &header) && header_contains(r, header, span_of(name), needle);
}

/* --- BODY, TEXT --- */

struct matcher {
	const struct needle *needle;
	struct str text; /* folded; its end is kept for the next piece */
};

static bool match_piece(struct matcher *m, struct span utf8)
{
	fold_put(&m->text, utf8);
	if (contains(str_span(&m->text), m->needle))
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
	if (headers && header_contains(r, message, any, needle))
		return true;
	parse_structure(r, message, &mime);
	for (uint32_t i = 0; i < mime.n; i++) {
		const struct mime_part *part = &mime.parts[i];
		if (headers && i && header_contains(r, mime_part_header(&mime, part), any, needle))
			return true;
		if (part->kind == MIME_TEXT &&
			match_part(part, mime_part_body(&mime, part), needle))
			return true;
	}
	return false;
}
