#include "mail/imapform.h"

#include "mail/address.h"
#include "mail/header.h"
#include "mail/nstring.h"
#include "mail/summary.h"

static struct span *slot_of(struct imapform_fields *f, int id)
{
	switch (id) {
	case SUMMARY_DATE:
		return &f->date;
	case SUMMARY_SUBJECT:
		return &f->subject;
	case SUMMARY_FROM:
		return &f->from;
	case SUMMARY_SENDER:
		return &f->sender;
	case SUMMARY_REPLY_TO:
		return &f->reply_to;
	case SUMMARY_TO:
		return &f->to;
	case SUMMARY_CC:
		return &f->cc;
	case SUMMARY_BCC:
		return &f->bcc;
	case SUMMARY_IN_REPLY_TO:
		return &f->in_reply_to;
	case SUMMARY_MESSAGE_ID:
		return &f->message_id;
	default:
		return NULL;
	}
}

void imapform_add_field(struct imapform_fields *f, int id, struct span value)
{
	struct span *slot = slot_of(f, id);
	if (!slot || slot->p)
		return;
	*slot = span_trim(value);
	if (slot->n > IMAPFORM_FIELD_MAX)
		slot->n = IMAPFORM_FIELD_MAX;
}

void imapform_collect(struct span header, struct imapform_fields *fields_r)
{
	struct header_reader r;
	struct header_field f;
	*fields_r = (struct imapform_fields){0};
	header_reader_init(&r, header);
	while (header_read(&r, &f))
		imapform_add_field(fields_r, summary_field_of(f.name), f.value);
}

/* A group starts with its name in the mailbox and no host, and ends with neither; an address
 * always has a host, be it empty, so that it isn't taken for a group. */
static void put_address(struct str *out, const struct address_item *item)
{
	bool mailbox = item->kind == ADDRESS_MAILBOX;
	str_putc(out, '(');
	nstring_put(out, mailbox ? item->name : (struct span){0});
	str_putc(out, ' ');
	nstring_put(out, item->route);
	str_putc(out, ' ');
	nstring_put(out, !mailbox ? item->name : item->local.p ? item->local : SPAN_LIT(""));
	str_putc(out, ' ');
	nstring_put(out, mailbox && !item->domain.p ? SPAN_LIT("") : item->domain);
	str_putc(out, ')');
}

/* False when the list has nobody in it; NIL is put then. */
static bool put_list(struct str *out, struct span value, struct pool *pool)
{
	struct address_reader r;
	struct address_item item;
	size_t start = out->len;
	address_reader_init(&r, value, pool);
	str_putc(out, '(');
	while (address_read(&r, &item))
		put_address(out, &item);
	if (out->len > start + 1) {
		str_putc(out, ')');
		return true;
	}
	str_truncate(out, start);
	str_puts(out, "NIL");
	return false;
}

/* Sender and Reply-To stand for From when they are absent or empty (RFC 3501 7.4.2). */
static void put_list_or_from(
	struct str *out, struct span value, size_t from_at, size_t from_len, struct pool *pool)
{
	size_t start = out->len;
	if (put_list(out, value, pool))
		return;
	str_truncate(out, start);
	str_reserve(out, from_len);
	str_add(out, out->s + from_at, from_len);
}

void imapform_put_envelope(struct str *out, const struct imapform_fields *f, struct pool *pool)
{
	str_putc(out, '(');
	nstring_put(out, f->date);
	str_putc(out, ' ');
	nstring_put(out, f->subject);
	str_putc(out, ' ');
	size_t from_at = out->len;
	put_list(out, f->from, pool);
	size_t from_len = out->len - from_at;
	str_putc(out, ' ');
	put_list_or_from(out, f->sender, from_at, from_len, pool);
	str_putc(out, ' ');
	put_list_or_from(out, f->reply_to, from_at, from_len, pool);
	const struct span lists[] = {f->to, f->cc, f->bcc};
	for (size_t i = 0; i < COUNT_OF(lists); i++) {
		str_putc(out, ' ');
		put_list(out, lists[i], pool);
	}
	str_putc(out, ' ');
	nstring_put(out, f->in_reply_to);
	str_putc(out, ' ');
	nstring_put(out, f->message_id);
	str_putc(out, ')');
}

struct form {
	struct str *out;
	const struct mime *m;
	imapform_skips *skips;
	struct pool *pool;
	size_t start;
};

static void put_string(struct form *f, struct span s)
{
	str_putc(f->out, ' ');
	nstring_put(f->out, s);
}

/* Text without a charset has the one that RFC 2045 5.2 gives it. */
static void put_params(struct form *f, const struct params *params, bool is_text)
{
	struct span charset;
	bool add_charset = is_text && !params_find(params, "charset", &charset);
	if (!params->n && !add_charset) {
		str_puts(f->out, " NIL");
		return;
	}
	str_puts(f->out, " (");
	for (size_t i = 0; i < params->n; i++) {
		if (i)
			str_putc(f->out, ' ');
		nstring_put(f->out, params->v[i].name);
		str_putc(f->out, ' ');
		nstring_put(f->out, params->v[i].value);
	}
	if (add_charset)
		str_puts(f->out,
			params->n ? " \"charset\" \"us-ascii\"" : "\"charset\" \"us-ascii\"");
	str_putc(f->out, ')');
}

static void put_disposition(struct form *f, const struct mime_part *part)
{
	if (!part->disposition.n) {
		str_puts(f->out, " NIL");
		return;
	}
	str_puts(f->out, " (");
	nstring_put(f->out, part->disposition);
	put_params(f, &part->disposition_params, false);
	str_putc(f->out, ')');
}

static void put_languages(struct form *f, struct span value)
{
	struct span rest = value, tag;
	unsigned n = 0;
	while (n < MIME_LANGUAGES_MAX && value.p && span_split(&rest, ',', &tag)) {
		tag = span_trim(tag);
		if (!tag.n)
			continue;
		str_puts(f->out, n++ ? " " : " (");
		nstring_put(f->out, tag);
	}
	str_puts(f->out, n ? ")" : " NIL");
}

/* Remembers that what follows up to end_skip() is extension data. */
static size_t begin_skip(const struct form *f)
{
	return f->out->len;
}

static void end_skip(struct form *f, size_t at)
{
	*array_add(f->skips) = (struct imapform_skip){at - f->start, f->out->len - at};
}

static void put_extension(struct form *f, const struct mime_part *part)
{
	if (!f->skips)
		return;
	size_t at = begin_skip(f);
	if (part->kind == MIME_MULTIPART)
		put_params(f, &part->params, false);
	else
		put_string(f, part->md5);
	put_disposition(f, part);
	put_languages(f, part->language);
	put_string(f, part->location);
	end_skip(f, at);
}

static void put_part(struct form *f, uint32_t index);

static void put_multipart(struct form *f, uint32_t index)
{
	const struct mime_part *part = &f->m->parts[index];
	for (uint32_t i = index + 1; i != MIME_NONE; i = f->m->parts[i].next)
		put_part(f, i);
	put_string(f, part->subtype);
}

static void put_message(struct form *f, uint32_t child)
{
	struct imapform_fields fields = {0};
	if (f->out->len - f->start < IMAPFORM_BUDGET)
		imapform_collect(mime_part_header(f->m, &f->m->parts[child]), &fields);
	str_putc(f->out, ' ');
	imapform_put_envelope(f->out, &fields, f->pool);
	str_putc(f->out, ' ');
	put_part(f, child);
}

static void put_single(struct form *f, uint32_t index)
{
	const struct mime_part *part = &f->m->parts[index];
	nstring_put(f->out, part->type);
	put_string(f, part->subtype);
	put_params(f, &part->params, part->kind == MIME_TEXT);
	put_string(f, part->id);
	put_string(f, part->description);
	put_string(f, part->encoding.n ? part->encoding : SPAN_LIT("7bit"));
	str_putc(f->out, ' ');
	str_put_u64(f->out, part->body_len);
	if (part->kind == MIME_MESSAGE)
		put_message(f, index + 1);
	if (part->kind == MIME_MESSAGE || part->kind == MIME_TEXT) {
		str_putc(f->out, ' ');
		str_put_u64(f->out, part->body_lines);
	}
}

/* Recursion as deep as the structure, MIME_DEPTH_MAX at most. */
static void put_part(struct form *f, uint32_t index)
{
	const struct mime_part *part = &f->m->parts[index];
	str_putc(f->out, '(');
	if (part->kind == MIME_MULTIPART)
		put_multipart(f, index);
	else
		put_single(f, index);
	put_extension(f, part);
	str_putc(f->out, ')');
}

void imapform_put_structure(
	struct str *out, const struct mime *m, imapform_skips *skips, struct pool *pool)
{
	struct form f = {out, m, skips, pool, out->len};
	put_part(&f, 0);
}
