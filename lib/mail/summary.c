#include "mail/summary.h"

#include "base/wire.h"
#include "mail/date.h"
#include "mail/header.h"
#include "mail/imapform.h"
#include "mail/preview.h"
#include "mail/subject.h"

#define VERSION 1

enum tag {
	TAG_SIZE = 1,
	TAG_HEADER_LEN,
	TAG_SENT, /* u64 seconds, u32 zone in minutes */
	TAG_ENVELOPE,
	TAG_BODYSTRUCTURE,
	TAG_BODY_SKIPS,
	TAG_EXTENTS,
	TAG_FIELDS,
	TAG_SUBJECT,
	TAG_PREVIEW,
	TAG_MESSAGE_ID,
	TAG_REFS,
};

/* What one summary is made of. */
struct making {
	struct span message;
	struct pool *pool;
	struct mime mime;
	struct imapform_fields fields;
	struct span references;
	struct str kept;
	unsigned flags;
	struct str row; /* scratch */
	struct str *out;
};

static void put_row(struct making *k, enum tag tag, struct span bytes)
{
	put_varint(k->out, tag);
	put_blob(k->out, bytes);
}

/* What was built in the scratch string. */
static void put_scratch(struct making *k, enum tag tag)
{
	put_row(k, tag, str_span(&k->row));
	str_reset(&k->row);
}

static void keep_field(struct making *k, int id, struct span whole)
{
	if (whole.n > SUMMARY_FIELD_MAX || k->kept.len + whole.n > SUMMARY_FIELDS_MAX) {
		k->flags |= SUMMARY_FIELDS_CUT;
		return;
	}
	put_u8(&k->kept, (uint8_t)id);
	put_blob(&k->kept, whole);
}

static void read_fields(struct making *k)
{
	struct header_reader r;
	struct header_field f;
	header_reader_init(&r, mime_part_header(&k->mime, &k->mime.parts[0]));
	while (header_read(&r, &f)) {
		int id = summary_field_of(f.name);
		if (id < 0)
			continue;
		imapform_add_field(&k->fields, id, f.value);
		if (id == SUMMARY_REFERENCES && !k->references.p)
			k->references = f.value;
		keep_field(k, id, f.whole);
	}
}

static void put_sent(struct making *k)
{
	struct date date;
	if (!k->fields.date.p || date_parse(k->fields.date, &date) < 0)
		return;
	put_u64(&k->row, (uint64_t)date.utc_s);
	put_u32(&k->row, (uint32_t)date.zone_min);
	put_scratch(k, TAG_SENT);
}

static void put_structure(struct making *k)
{
	imapform_skips skips = ARRAY_IN(k->pool);
	size_t end = 0;
	imapform_put_envelope(&k->row, &k->fields, k->pool);
	put_scratch(k, TAG_ENVELOPE);
	imapform_put_structure(&k->row, &k->mime, &skips, k->pool);
	put_scratch(k, TAG_BODYSTRUCTURE);
	for (size_t i = 0; i < skips.n; i++) {
		put_varint(&k->row, skips.v[i].at - end);
		put_varint(&k->row, skips.v[i].len);
		end = skips.v[i].at + skips.v[i].len;
	}
	put_scratch(k, TAG_BODY_SKIPS);
	extents_put(&k->row, &k->mime);
	put_scratch(k, TAG_EXTENTS);
}

/* FNV-1a, its bits mixed at the end. Stored: must stay what it is. */
uint64_t summary_msgid_hash(struct span id)
{
	uint64_t h = 0xcbf29ce484222325u;
	if (id.n > 1 && id.p[0] == '<' && id.p[id.n - 1] == '>')
		id = span_make(id.p + 1, id.n - 2);
	for (size_t i = 0; i < id.n; i++)
		h = (h ^ (unsigned char)id.p[i]) * 0x100000001b3u;
	h ^= h >> 32;
	h *= 0xd6e8feb86659fd93u;
	h ^= h >> 32;
	return h ? h : 1;
}

/* The first id and the last ones: the root of the thread and the nearest parents. */
static void put_refs(struct making *k)
{
	struct span rest = k->references, id;
	bool found = rest.p && header_next_msgid(&rest, &id);
	if (!found && k->fields.in_reply_to.p) {
		/* Only its first id: what else stands there may be no message (RFC 5256 3). */
		rest = k->fields.in_reply_to;
		found = header_next_msgid(&rest, &id);
		rest = span_make("", 0);
	}
	for (; found; found = header_next_msgid(&rest, &id)) {
		put_u64(&k->row, summary_msgid_hash(id));
		if (k->row.len > 2 * SUMMARY_REFS_MAX * 8) {
			size_t drop = k->row.len - SUMMARY_REFS_MAX * 8;
			memmove(k->row.s + 8, k->row.s + 8 + drop, k->row.len - 8 - drop);
			str_truncate(&k->row, k->row.len - drop);
		}
	}
	if (k->row.len > SUMMARY_REFS_MAX * 8) {
		size_t drop = k->row.len - SUMMARY_REFS_MAX * 8;
		memmove(k->row.s + 8, k->row.s + 8 + drop, k->row.len - 8 - drop);
		str_truncate(&k->row, k->row.len - drop);
	}
	if (k->row.len)
		put_scratch(k, TAG_REFS);
}

static void put_threading(struct making *k)
{
	struct span rest = k->fields.message_id, id;
	if (rest.p && header_next_msgid(&rest, &id)) {
		put_u64(&k->row, summary_msgid_hash(id));
		put_scratch(k, TAG_MESSAGE_ID);
	}
	put_refs(k);
	if (k->fields.subject.p && subject_put_base(&k->row, k->fields.subject))
		k->flags |= SUMMARY_IS_REPLY;
	put_scratch(k, TAG_SUBJECT);
}

static void find_attachments(struct making *k)
{
	for (uint32_t i = 0; i < k->mime.n; i++)
		if (span_iis(k->mime.parts[i].disposition, "attachment"))
			k->flags |= SUMMARY_ATTACHMENT;
}

static void put_all(struct making *k)
{
	size_t flags_at = k->out->len + 1;
	put_u8(k->out, VERSION);
	put_u8(k->out, 0);
	put_varint(&k->row, k->message.n);
	put_scratch(k, TAG_SIZE);
	put_varint(&k->row, k->mime.parts[0].header_len);
	put_scratch(k, TAG_HEADER_LEN);
	put_sent(k);
	put_structure(k);
	put_row(k, TAG_FIELDS, str_span(&k->kept));
	put_threading(k);
	preview_put(&k->row, &k->mime, SUMMARY_PREVIEW_MAX);
	put_scratch(k, TAG_PREVIEW);
	find_attachments(k);
	k->out->s[flags_at] = (char)k->flags;
}

/* A hostile message whose summary would be too long: one opaque text, long fields cut. */
static void simplify(struct making *k)
{
	struct span *const slots[] = {&k->fields.date, &k->fields.subject, &k->fields.from,
		&k->fields.sender, &k->fields.reply_to, &k->fields.to, &k->fields.cc,
		&k->fields.bcc, &k->fields.in_reply_to, &k->fields.message_id};
	struct mime_part *root = &k->mime.parts[0];
	for (size_t i = 0; i < COUNT_OF(slots); i++)
		if (slots[i]->n > 2048)
			slots[i]->n = 2048;
	*root = (struct mime_part){.kind = MIME_TEXT,
		.parent = MIME_NONE,
		.next = MIME_NONE,
		.end = 1,
		.header_len = root->header_len,
		.body_at = root->body_at,
		.body_len = root->body_len,
		.body_lines = root->body_lines,
		.type = SPAN_LIT("text"),
		.subtype = SPAN_LIT("plain")};
	k->mime.n = 1;
	k->flags |= SUMMARY_CUT;
}

void mail_summarize(struct span message, struct str *out)
{
	struct making k = {
		.message = message, .pool = pool_new("summary"), .row = STR_INIT, .out = out};
	size_t start = out->len;
	mime_parse(message, k.pool, &k.mime);
	read_fields(&k);
	put_all(&k);
	if (out->len - start > SUMMARY_MAX) {
		str_truncate(out, start);
		simplify(&k);
		put_all(&k);
	}
	str_fini(&k.row);
	str_fini(&k.kept);
	pool_free(&k.pool);
}

static uint64_t varint_of(struct span bytes, bool *bad)
{
	struct reader r = reader_of(bytes);
	uint64_t v = get_varint(&r);
	*bad |= r.bad;
	return v;
}

static void parse_sent(struct summary *s, struct span bytes, bool *bad)
{
	struct reader r = reader_of(bytes);
	s->sent_s = (int64_t)get_u64(&r);
	s->sent_zone_min = (int32_t)get_u32(&r);
	*bad |= r.bad;
}

static void parse_row(struct summary *s, uint64_t tag, struct span bytes, bool *bad)
{
	struct reader r = reader_of(bytes);
	switch (tag) {
	case TAG_SIZE:
		s->size = varint_of(bytes, bad);
		break;
	case TAG_HEADER_LEN:
		s->header_len = (uint32_t)varint_of(bytes, bad);
		break;
	case TAG_SENT:
		parse_sent(s, bytes, bad);
		break;
	case TAG_ENVELOPE:
		s->envelope = bytes;
		break;
	case TAG_BODYSTRUCTURE:
		s->bodystructure = bytes;
		break;
	case TAG_BODY_SKIPS:
		s->body_skips = bytes;
		break;
	case TAG_EXTENTS:
		s->extents = bytes;
		break;
	case TAG_FIELDS:
		s->fields = bytes;
		break;
	case TAG_SUBJECT:
		s->subject = bytes;
		break;
	case TAG_PREVIEW:
		s->preview = bytes;
		break;
	case TAG_MESSAGE_ID:
		s->message_id = get_u64(&r);
		*bad |= r.bad;
		break;
	case TAG_REFS:
		s->refs = bytes;
		break;
	default: /* a later version's */
		break;
	}
}

int summary_parse(struct span blob, struct summary *summary_r)
{
	struct reader r = reader_of(blob);
	bool bad = false;
	*summary_r = (struct summary){.sent_s = SUMMARY_NO_DATE};
	uint8_t version = get_u8(&r);
	summary_r->flags = get_u8(&r);
	while (reader_left(&r) && !r.bad) {
		uint64_t tag = get_varint(&r);
		struct span bytes = get_blob(&r);
		if (!r.bad)
			parse_row(summary_r, tag, bytes, &bad);
	}
	return r.bad || bad || version != VERSION || !summary_r->envelope.n ||
			       !summary_r->bodystructure.n || !summary_r->extents.n
		       ? -1
		       : 0;
}

void summary_put_body(struct str *out, const struct summary *s)
{
	struct reader r = reader_of(s->body_skips);
	struct span rest = s->bodystructure;
	while (reader_left(&r)) {
		uint64_t gap = get_varint(&r), len = get_varint(&r);
		if (r.bad || gap > rest.n || len > rest.n - gap)
			break;
		str_add(out, rest.p, gap);
		rest = span_make(rest.p + gap + len, rest.n - gap - len);
	}
	str_add_span(out, rest);
}

bool summary_field_next(struct span *rest, enum summary_field *id_r, struct span *whole_r)
{
	struct reader r = reader_of(*rest);
	if (!reader_left(&r))
		return false;
	uint8_t id = get_u8(&r);
	*whole_r = get_blob(&r);
	if (r.bad || id >= SUMMARY_NFIELD)
		return false;
	*id_r = (enum summary_field)id;
	*rest = span_make(r.p, reader_left(&r));
	return true;
}

int summary_find_field(const struct summary *s, enum summary_field id, struct span *value_r)
{
	struct span rest = s->fields, whole;
	enum summary_field other;
	while (summary_field_next(&rest, &other, &whole)) {
		if (other != id)
			continue;
		size_t colon = span_index(whole, 0, ':');
		colon += colon < whole.n;
		*value_r = span_trim(span_make(whole.p + colon, whole.n - colon));
		return 1;
	}
	return 0;
}

bool summary_put_fields(struct str *out, const struct summary *s, uint32_t mask)
{
	struct span rest = s->fields, whole;
	enum summary_field id;
	if (s->flags & SUMMARY_FIELDS_CUT)
		return false;
	while (summary_field_next(&rest, &id, &whole))
		if (mask >> id & 1)
			str_add_span(out, whole);
	str_puts(out, "\r\n");
	return true;
}

uint64_t summary_ref(const struct summary *s, size_t i)
{
	if (i >= s->refs.n / 8)
		return 0;
	struct reader r = reader_of(span_make(s->refs.p + i * 8, 8));
	return get_u64(&r);
}
