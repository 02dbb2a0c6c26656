/*
 * BODY[...]: the extents of parts are in the summary, so nothing is parsed. Short texts go through
 * memory, long ones from the pack's file to the client's socket.
 */
#include "imapd/fetch.h"

#include "mail/header.h"

/* Up to here a body joins the text around it; beyond, the file is sent. */
#define COPY_MAX (32 * 1024)
/* Of a header that is read to choose fields from: what is longer is chosen from its beginning. */
#define HEADER_READ_MAX (4 * 1024 * 1024)

static void put_label(struct fetch_run *f, const struct fetch_section *section)
{
	str_add_span(&f->s->out, section->label);
	str_putc(&f->s->out, ' ');
}

static void put_literal_head(struct fetch_run *f, uint64_t n)
{
	str_putc(&f->s->out, '{');
	str_put_u64(&f->s->out, n);
	str_add(&f->s->out, "}\r\n", 3);
}

/* Nothing can be said about it: NIL, and the command ends in NO. */
static void put_nothing(struct fetch_run *f, enum store_status status)
{
	if (status == STORE_NOT_FOUND)
		f->missing = true;
	else if (status != STORE_OK)
		f->status = status;
	str_add(&f->s->out, "NIL", 3);
}

static void cut_partial(const struct fetch_section *section, uint64_t *at, uint64_t *n)
{
	if (!section->partial)
		return;
	uint64_t skip = section->from < *n ? section->from : *n;
	*at += skip;
	*n -= skip;
	if (*n > section->count)
		*n = section->count;
}

static void put_copied(struct fetch_run *f, uint64_t at, uint64_t n)
{
	struct span body = SPAN_LIT("");
	enum store_status status =
		n ? message_read(f->s->account, f->row, at, n, f->section_pool, &body) : STORE_OK;

	if (status != STORE_OK || body.n != n) {
		put_nothing(f, status == STORE_OK ? STORE_DAMAGED : status);
		return;
	}
	put_literal_head(f, n);
	str_add_span(&f->s->out, body);
}

static void put_from_file(struct fetch_run *f, uint64_t at, uint64_t n)
{
	struct message_file file;
	enum store_status status =
		n == f->row->size ? message_verify(f->s->account, f->row) : STORE_OK;

	if (status == STORE_OK)
		status = message_locate(f->s->account, f->row, &file);
	if (status != STORE_OK) {
		put_nothing(f, status);
		return;
	}
	put_literal_head(f, n);
	session_push(f->s);
	stream_send_file(f->s->stream, file.fd, file.at + at, n);
	message_release(&file);
}

static void put_range(
	struct fetch_run *f, const struct fetch_section *section, uint64_t at, uint64_t n)
{
	cut_partial(section, &at, &n);
	if (n <= COPY_MAX)
		put_copied(f, at, n);
	else
		put_from_file(f, at, n);
}

/* Where the section lies in the message: 1, 0 no such part, -1. */
static int find_extent(
	struct fetch_run *f, const struct section *section, uint64_t *at_r, uint64_t *n_r)
{
	struct extent extent;

	/* These need no summary. */
	if (section->depth == 0 && section->what == SECTION_ALL) {
		*at_r = 0;
		*n_r = f->row->size;
		return 1;
	}
	const struct summary *summary = fetch_summary(f);
	int rc = summary ? summary_section(summary, section, &extent) : -1;
	if (rc > 0) {
		*at_r = extent.at;
		*n_r = extent.len;
		if (extent.at > f->row->size || extent.len > f->row->size - extent.at)
			rc = -1;
	}
	if (rc < 0 && summary)
		f->status = STORE_DAMAGED;
	return rc;
}

static bool is_named(const struct fetch_section *section, struct span name)
{
	for (size_t i = 0; i < section->nnames; i++)
		if (span_ieq(section->names[i], name))
			return true;
	return false;
}

static void choose_fields(const struct fetch_section *section, struct span header, struct str *out)
{
	struct header_reader reader;
	struct header_field field;
	bool wanted = section->fields == FETCH_FIELDS;

	header_reader_init(&reader, header);
	for (; header_read(&reader, &field); fiber_breathe())
		if (field.name.n && is_named(section, field.name) == wanted)
			str_add_span(out, field.whole);
	str_add(out, "\r\n", 2);
}

static void put_fields(struct fetch_run *f, const struct fetch_section *section)
{
	struct str chosen = STR_IN(f->section_pool);
	struct span header = SPAN_LIT("");
	uint64_t at, n;

	const struct summary *summary = section->kept ? fetch_summary(f) : NULL;
	if (!summary || !summary_put_fields(&chosen, summary, section->kept_mask)) {
		enum store_status status = STORE_OK;
		int rc = find_extent(f, &section->section, &at, &n);
		if (rc > 0 && n)
			status = message_read(f->s->account, f->row, at,
				n < HEADER_READ_MAX ? n : HEADER_READ_MAX, f->section_pool, &header);
		if (rc <= 0 || status != STORE_OK) {
			put_nothing(f, status);
			return;
		}
		choose_fields(section, header, &chosen);
	}
	at = 0;
	n = chosen.len;
	cut_partial(section, &at, &n);
	put_literal_head(f, n);
	str_add(&f->s->out, chosen.s + at, (size_t)n);
}

void fetch_put_section(struct fetch_run *f, const struct fetch_section *section)
{
	uint64_t at, n;

	put_label(f, section);
	if (section->fields != FETCH_WHOLE)
		put_fields(f, section);
	else if (find_extent(f, &section->section, &at, &n) > 0)
		put_range(f, section, at, n);
	else
		put_nothing(f, STORE_OK);
	pool_reset(f->section_pool);
}
