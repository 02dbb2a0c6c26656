/* A message against the keys of a search. */
#include "imapd/search.h"

#include "base/num.h"
#include "mail/date.h"

const struct summary *search_summary(struct search_run *r)
{
	struct span blob;

	if (r->have_summary == SEARCH_UNREAD) {
		r->have_summary = SEARCH_BAD;
		if (message_summary(r->s->account, r->row, r->row_pool, &blob) == STORE_OK &&
			summary_parse(blob, &r->summary) == 0)
			r->have_summary = SEARCH_READ;
	}
	return r->have_summary == SEARCH_READ ? &r->summary : NULL;
}

bool search_header(struct search_run *r, struct span *header_r)
{
	if (r->have_header == SEARCH_UNREAD)
		r->have_header = message_read(r->s->account, r->row, 0,
					 num_min(r->row->header_size, SEARCH_HEADER_MAX),
					 r->row_pool, &r->header) == STORE_OK
					 ? SEARCH_READ
					 : SEARCH_BAD;
	*header_r = r->header;
	return r->have_header == SEARCH_READ;
}

bool search_message(struct search_run *r, struct span *message_r)
{
	if (r->have_message == SEARCH_UNREAD && r->row->size >= SEARCH_LARGE_MIN)
		r->large = fiber_lock(&r->s->imapd->large, IO_FOREVER) == 0;
	if (r->have_message == SEARCH_UNREAD)
		r->have_message = message_read(r->s->account, r->row, 0, r->row->size, r->row_pool,
					  &r->message) == STORE_OK
					  ? SEARCH_READ
					  : SEARCH_BAD;
	*message_r = r->message;
	return r->have_message == SEARCH_READ;
}

void search_forget(struct search_run *r)
{
	if (r->have_summary || r->have_header || r->have_message)
		pool_reset(r->row_pool);
	r->have_summary = r->have_header = r->have_message = SEARCH_UNREAD;
	if (r->large)
		fiber_unlock(&r->s->imapd->large);
	r->large = false;
}

/* As the date is written, disregarding time and zone (RFC 3501 6.4.4). */
static int64_t internal_day(const struct msg_row *row)
{
	struct date date = {row->internal_date, row->zone};

	return date_local_day(&date);
}

/* A message without a date counts by its arrival. */
static int64_t sent_day(struct search_run *r)
{
	const struct summary *summary = search_summary(r);

	if (!summary || summary->sent_s == SUMMARY_NO_DATE)
		return internal_day(r->row);
	struct date date = {summary->sent_s, summary->sent_zone_min};
	return date_local_day(&date);
}

static bool match_list(struct search_run *r, const struct search_key *key, bool any)
{
	for (const struct search_key *k = key->child; k; k = k->next)
		if (search_match(r, k) == any)
			return any;
	return !any;
}

static bool match(struct search_run *r, const struct search_key *key)
{
	switch (key->op) {
	case SEARCH_AND:
		return match_list(r, key, false);
	case SEARCH_OR:
		return match_list(r, key, true);
	case SEARCH_SEQ:
	case SEARCH_UID: /* resolved to sequence numbers */
		return seqset_has(&key->set, r->seq);
	case SEARCH_FLAG:
		return (view_flags(r->s->view, r->seq) & key->flags) == key->flags;
	case SEARCH_KEYWORD:
		return r->row->keywords & key->number;
	case SEARCH_SMALLER:
		return r->row->size < key->number;
	case SEARCH_LARGER:
		return r->row->size > key->number;
	case SEARCH_BEFORE:
		return internal_day(r->row) < key->day;
	case SEARCH_ON:
		return internal_day(r->row) == key->day;
	case SEARCH_SINCE:
		return internal_day(r->row) >= key->day;
	case SEARCH_SENT_BEFORE:
		return sent_day(r) < key->day;
	case SEARCH_SENT_ON:
		return sent_day(r) == key->day;
	case SEARCH_SENT_SINCE:
		return sent_day(r) >= key->day;
	case SEARCH_HEADER:
		return search_match_header(r, key->name, false, key->data);
	case SEARCH_ADDRESS:
		return search_match_header(r, key->name, true, key->data);
	case SEARCH_BODY:
		return search_match_text(r, key->data, false);
	case SEARCH_TEXT:
		return search_match_text(r, key->data, true);
	}
	return false;
}

bool search_match(struct search_run *r, const struct search_key *key)
{
	return match(r, key) != key->negate;
}
