#include "mail/section.h"

#include "base/num.h"
#include "base/wire.h"

static bool parse_what(struct span text, struct section *s, int *fields_r)
{
	if (span_iis(text, "HEADER"))
		s->what = SECTION_HEADER;
	else if (span_iis(text, "TEXT"))
		s->what = SECTION_TEXT;
	else if (span_iis(text, "MIME") && s->depth)
		s->what = SECTION_MIME;
	else if (fields_r && span_iis(text, "HEADER.FIELDS"))
		*fields_r = 1;
	else if (fields_r && span_iis(text, "HEADER.FIELDS.NOT"))
		*fields_r = 2;
	else
		return false;
	if (fields_r && *fields_r)
		s->what = SECTION_HEADER;
	return true;
}

int section_parse(struct span text, struct section *section_r, int *fields_r)
{
	struct span piece, rest = text;
	section_r->depth = 0;
	section_r->what = SECTION_ALL;
	if (fields_r)
		*fields_r = 0;
	if (!text.n)
		return 0;
	while (rest.p && rest.n && ascii_is_digit(rest.p[0])) {
		uint32_t n;
		if (!span_split(&rest, '.', &piece) || !num_parse_u32(piece, UINT32_MAX, &n) ||
			piece.p[0] == '0' || section_r->depth == MIME_DEPTH_MAX)
			return -1;
		section_r->path[section_r->depth++] = n;
	}
	if (!rest.p)
		return 0;
	return parse_what(rest, section_r, fields_r) ? 0 : -1;
}

/* One row a part, in pre-order:
 *	varint kind | encoding << 2, varint parts in its subtree, varint header_at, varint
 *	header_len, varint body_len; the body follows the header. */
void extents_put(struct str *out, const struct mime *m)
{
	for (uint32_t i = 0; i < m->n; i++) {
		const struct mime_part *part = &m->parts[i];
		put_varint(out, (unsigned)part->kind | (unsigned)mime_part_encoding(part) << 2);
		put_varint(out, part->end - i);
		put_varint(out, part->header_at);
		put_varint(out, part->header_len);
		put_varint(out, part->body_len);
	}
}

struct row {
	unsigned kind;
	enum mime_encoding encoding;
	uint32_t index, subtree;
	uint64_t header_at, header_len, body_len;
};

struct walk {
	struct reader r;
	struct row row; /* the one read last */
	uint32_t next;	/* index of the row that comes next */
};

static bool read_row(struct walk *w)
{
	uint64_t bits = get_varint(&w->r);
	w->row = (struct row){
		.kind = bits & 3,
		.encoding = (enum mime_encoding)(bits >> 2 & 3),
		.index = w->next++,
		.subtree = (uint32_t)get_varint(&w->r),
		.header_at = get_varint(&w->r),
		.header_len = get_varint(&w->r),
		.body_len = get_varint(&w->r),
	};
	return !w->r.bad && w->row.subtree;
}

/* From a multipart to its n-th child. */
static int go_child(struct walk *w, uint32_t n)
{
	uint64_t end = (uint64_t)w->row.index + w->row.subtree;
	for (uint32_t i = 1; w->next < end; i++) {
		if (!read_row(w))
			return -1;
		if (i == n)
			return 1;
		for (uint32_t skip = w->row.subtree; skip > 1; skip--)
			if (!read_row(w))
				return -1;
	}
	return 0;
}

/* From a part to the part number n in it; within a message that is no multipart number 1 is the
 * message's own body. */
static int go_number(struct walk *w, uint32_t n, bool is_message)
{
	if (w->row.kind == MIME_MESSAGE && !is_message) {
		if (!read_row(w))
			return -1;
		is_message = true;
	}
	if (w->row.kind == MIME_MULTIPART)
		return go_child(w, n);
	return is_message && n == 1;
}

static int set_extent(struct walk *w, const struct section *s, struct extent *e)
{
	if (s->depth && (s->what == SECTION_HEADER || s->what == SECTION_TEXT)) {
		if (w->row.kind != MIME_MESSAGE)
			return 0;
		if (!read_row(w))
			return -1;
	}
	const struct row *r = &w->row;
	*e = (struct extent){.part = r->index, .encoding = MIME_IDENTITY};
	if (s->what == SECTION_HEADER || s->what == SECTION_MIME) {
		e->at = r->header_at;
		e->len = r->header_len;
	} else if (s->depth || s->what == SECTION_TEXT) {
		e->at = r->header_at + r->header_len;
		e->len = r->body_len;
		if (s->what == SECTION_ALL)
			e->encoding = r->encoding;
	} else {
		e->len = r->header_len + r->body_len;
	}
	return 1;
}

int extents_find(struct span table, const struct section *section, struct extent *extent_r)
{
	struct walk w = {.r = reader_of(table)};
	if (!read_row(&w))
		return -1;
	for (unsigned i = 0; i < section->depth; i++) {
		int rc = go_number(&w, section->path[i], i == 0);
		if (rc != 1)
			return rc;
	}
	return set_extent(&w, section, extent_r);
}
