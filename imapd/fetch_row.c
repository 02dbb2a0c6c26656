/* The items of FETCH that come from the row and the summary: no message is opened for them. */
#include "imapd/fetch.h"

#include "imap/put.h"
#include "imapd/update.h"

const struct summary *fetch_summary(struct fetch_run *f)
{
	struct span blob;

	if (f->have_summary == SUMMARY_UNREAD) {
		enum store_status status =
			message_summary(f->s->account, f->row, f->row_pool, &blob);
		f->have_summary = SUMMARY_READ;
		if (status != STORE_OK || summary_parse(blob, &f->summary) < 0) {
			f->have_summary = SUMMARY_BAD;
			f->status = status == STORE_OK ? STORE_DAMAGED : status;
		}
	}
	return f->have_summary == SUMMARY_READ ? &f->summary : NULL;
}

static void put_item(struct str *out, const char *name, size_t n)
{
	if (out->s[out->len - 1] != '(')
		str_putc(out, ' ');
	str_add(out, name, n);
}
#define PUT_ITEM(out, name) put_item(out, name " ", sizeof(name))

static void put_row_items(struct fetch_run *f, unsigned items)
{
	struct str *out = &f->s->out;

	if (items & FETCH_UID) {
		PUT_ITEM(out, "UID");
		str_put_u64(out, f->row->uid);
	}
	if (items & FETCH_FLAGS || f->seen_now) {
		unsigned flags = view_flags(f->s->view, f->seq);
		PUT_ITEM(out, "FLAGS");
		put_flags(out, f->s->view, flags | (f->seen_now ? MSG_SEEN : 0), f->row->keywords);
	}
	if (items & FETCH_INTERNALDATE) {
		PUT_ITEM(out, "INTERNALDATE");
		imap_put_date_time(out, f->row->internal_date, f->row->zone);
	}
	if (items & FETCH_SIZE) {
		PUT_ITEM(out, "RFC822.SIZE");
		str_put_u64(out, f->row->size);
	}
}

/* What a client sees of a message whose summary is damaged: an envelope of nothing. */
#define NIL_ENVELOPE  "(NIL NIL NIL NIL NIL NIL NIL NIL NIL NIL)"
#define NIL_STRUCTURE "(\"text\" \"plain\" NIL NIL NIL \"7bit\" 0 0)"

static void put_summary_items(struct fetch_run *f, unsigned items)
{
	struct str *out = &f->s->out;
	const struct summary *summary = fetch_summary(f);

	if (items & FETCH_ENVELOPE) {
		PUT_ITEM(out, "ENVELOPE");
		str_add_span(out, summary ? summary->envelope : SPAN_LIT(NIL_ENVELOPE));
	}
	if (items & FETCH_BODY) {
		PUT_ITEM(out, "BODY");
		if (summary)
			summary_put_body(out, summary);
		else
			str_puts(out, NIL_STRUCTURE);
	}
	if (items & FETCH_BODYSTRUCTURE) {
		PUT_ITEM(out, "BODYSTRUCTURE");
		str_add_span(out, summary ? summary->bodystructure : SPAN_LIT(NIL_STRUCTURE));
	}
}

void fetch_put_row(struct fetch_run *f)
{
	struct str *out = &f->s->out;
	unsigned items = f->what.items;

	str_add(out, "* ", 2);
	str_put_u64(out, f->seq);
	str_add(out, " FETCH (", 8);
	put_row_items(f, items);
	if (items & (FETCH_ENVELOPE | FETCH_BODY | FETCH_BODYSTRUCTURE))
		put_summary_items(f, items);
	for (size_t i = 0; i < f->what.nsections; i++) {
		if (i || items || f->seen_now)
			str_putc(out, ' ');
		fetch_put_section(f, &f->what.sections[i]);
		if (i + 1 < f->what.nsections && !session_flow(f->s))
			return; /* the client is gone */
	}
	str_add(out, ")\r\n", 3);
}
