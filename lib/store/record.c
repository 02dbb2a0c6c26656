#include "store/record.h"

#include "os/os.h"

#define CRC_AT (RECORD_HEADER - 4)

static bool header_is_right(struct span bytes, uint32_t salt, uint64_t at, struct record *r)
{
	struct reader in = reader_of(span_make(bytes.p, RECORD_HEADER));
	uint32_t found_salt = get_u32(&in);
	r->length = get_u32(&in);
	r->at = get_u64(&in);
	r->sequence = get_u64(&in);
	r->floor = get_u64(&in);
	r->time_us = (int64_t)get_u64(&in);
	r->chain = get_u32(&in);
	get_u32(&in);
	r->class = get_u8(&in);
	get_bytes(&in, 3);
	r->crc = get_u32(&in);
	return found_salt == salt && r->at == at && r->length >= RECORD_HEADER &&
	       r->length <= RECORD_MAX && r->length % 8 == 0 &&
	       r->crc == os_crc32c(0, bytes.p, CRC_AT);
}

int record_parse_header(struct span bytes, uint32_t salt, uint64_t at, struct record *record_r)
{
	*record_r = (struct record){0};
	return salt && bytes.n >= RECORD_HEADER && header_is_right(bytes, salt, at, record_r);
}

int record_parse(struct span bytes, uint32_t salt, uint64_t at, struct record *record_r)
{
	if (!record_parse_header(bytes, salt, at, record_r) || bytes.n < record_r->length)
		return 0;
	struct span body = span_make(bytes.p + RECORD_HEADER, record_r->length - RECORD_HEADER);
	struct reader sum = reader_of(span_make(bytes.p + 44, 4));
	if (get_u32(&sum) != os_crc32c(0, body.p, body.n))
		return 0;
	struct reader in = reader_of(body);
	record_r->actor = get_blob(&in);
	record_r->trace = get_blob(&in);
	record_r->ops = span_make(in.p, reader_left(&in));
	return !in.bad;
}

void record_start(struct str *out, const char *actor, const char *trace)
{
	str_reset(out);
	memset(str_reserve(out, RECORD_HEADER), 0, RECORD_HEADER);
	out->len += RECORD_HEADER;
	put_cstr(out, actor);
	put_cstr(out, trace);
}

void record_finish(struct str *out, uint32_t salt, struct record *record)
{
	size_t pad = (8 - out->len % 8) % 8;
	str_add(out, "\0\0\0\0\0\0\0", pad);
	record->length = (uint32_t)out->len;
	set_u32(out, 0, salt);
	set_u32(out, 4, record->length);
	set_u64(out, 8, record->at);
	set_u64(out, 16, record->sequence);
	set_u64(out, 24, record->floor);
	set_u64(out, 32, (uint64_t)record->time_us);
	set_u32(out, 40, record->chain);
	set_u32(out, 44, os_crc32c(0, out->s + RECORD_HEADER, out->len - RECORD_HEADER));
	set_u32(out, 48, record->class);
	record->crc = os_crc32c(0, out->s, CRC_AT);
	set_u32(out, CRC_AT, record->crc);
}

int op_next(struct span *rest, struct op *op_r)
{
	if (!rest->n || !*rest->p)
		return 0;
	struct reader in = reader_of(*rest);
	op_r->kind = get_u8(&in);
	op_r->body = get_blob(&in);
	*rest = span_make(in.p, reader_left(&in));
	return in.bad ? -1 : 1;
}

/* The length is written as a varint of fixed width, so that the body need not be moved. */
#define LENGTH_WIDTH 4

size_t op_begin(struct str *out, enum op_kind kind)
{
	put_u8(out, (uint8_t)kind);
	str_add(out, "\0\0\0\0", LENGTH_WIDTH);
	return out->len;
}

void op_end(struct str *out, size_t at)
{
	size_t n = out->len - at;
	for (unsigned i = 0; i < LENGTH_WIDTH; i++) {
		unsigned char more = i + 1 < LENGTH_WIDTH ? 0x80 : 0;
		out->s[at - LENGTH_WIDTH + i] = (char)((n >> (7 * i) & 0x7f) | more);
	}
}

static uint64_t zigzag(int64_t v)
{
	return (uint64_t)v << 1 ^ -(uint64_t)(v < 0);
}

static int64_t get_signed(struct reader *in)
{
	uint64_t v = get_varint(in);
	return (int64_t)(v >> 1) ^ -(int64_t)(v & 1);
}

static void put_signed(struct str *out, int64_t v)
{
	put_varint(out, zigzag(v));
}

static uint32_t get_u32v(struct reader *in)
{
	uint64_t v = get_varint(in);
	if (v > UINT32_MAX)
		in->bad = true;
	return (uint32_t)v;
}

static struct span get_rest(struct reader *in)
{
	return get_bytes(in, reader_left(in));
}

int op_parse_create(struct span body, struct op_create *op_r)
{
	struct reader in = reader_of(body);
	op_r->id = get_u32v(&in);
	op_r->uidvalidity = get_u32v(&in);
	op_r->use = get_u8(&in);
	op_r->noselect = get_u8(&in);
	op_r->name = get_blob(&in);
	return in.bad || !op_r->id ? -1 : 0;
}

void op_put_create(struct str *out, const struct op_create *op)
{
	size_t at = op_begin(out, OP_CREATE);
	put_varint(out, op->id);
	put_varint(out, op->uidvalidity);
	put_u8(out, op->use);
	put_u8(out, op->noselect);
	put_blob(out, op->name);
	op_end(out, at);
}

void op_put_delete(struct str *out, uint32_t mailbox)
{
	size_t at = op_begin(out, OP_DELETE);
	put_varint(out, mailbox);
	op_end(out, at);
}

int op_parse_delete(struct span body, uint32_t *mailbox_r)
{
	struct reader in = reader_of(body);
	*mailbox_r = get_u32v(&in);
	return in.bad ? -1 : 0;
}

int op_parse_rename(struct span body, struct op_rename *op_r)
{
	struct reader in = reader_of(body);
	op_r->id = get_u32v(&in);
	op_r->name = get_blob(&in);
	return in.bad ? -1 : 0;
}

void op_put_rename(struct str *out, const struct op_rename *op)
{
	size_t at = op_begin(out, OP_RENAME);
	put_varint(out, op->id);
	put_blob(out, op->name);
	op_end(out, at);
}

int op_parse_subscribe(struct span body, struct op_subscribe *op_r)
{
	struct reader in = reader_of(body);
	op_r->on = get_u8(&in);
	op_r->name = get_blob(&in);
	return in.bad ? -1 : 0;
}

void op_put_subscribe(struct str *out, const struct op_subscribe *op)
{
	size_t at = op_begin(out, OP_SUBSCRIBE);
	put_u8(out, op->on);
	put_blob(out, op->name);
	op_end(out, at);
}

int op_parse_keyword(struct span body, struct op_keyword *op_r)
{
	struct reader in = reader_of(body);
	op_r->mailbox = get_u32v(&in);
	op_r->bit = get_u8(&in);
	op_r->name = get_blob(&in);
	return in.bad ? -1 : 0;
}

void op_put_keyword(struct str *out, const struct op_keyword *op)
{
	size_t at = op_begin(out, OP_KEYWORD);
	put_varint(out, op->mailbox);
	put_u8(out, op->bit);
	put_blob(out, op->name);
	op_end(out, at);
}

int op_parse_recent(struct span body, struct op_recent *op_r)
{
	struct reader in = reader_of(body);
	op_r->mailbox = get_u32v(&in);
	op_r->upto = get_u32v(&in);
	op_r->left = get_u32v(&in);
	return in.bad ? -1 : 0;
}

void op_put_recent(struct str *out, const struct op_recent *op)
{
	size_t at = op_begin(out, OP_RECENT);
	put_varint(out, op->mailbox);
	put_varint(out, op->upto);
	put_varint(out, op->left);
	op_end(out, at);
}

static void get_delta(struct reader *in, struct op_delta *d)
{
	d->messages = get_signed(in);
	d->unseen = get_signed(in);
	d->recent = get_signed(in);
	d->deleted = get_signed(in);
	d->size = get_signed(in);
}

static void put_delta(struct str *out, const struct op_delta *d)
{
	put_signed(out, d->messages);
	put_signed(out, d->unseen);
	put_signed(out, d->recent);
	put_signed(out, d->deleted);
	put_signed(out, d->size);
}

/* Mailbox and link stand first in FLAGS, EXPUNGE and ADD. */
static void put_link(struct str *out, uint32_t mailbox, uint64_t prev)
{
	put_varint(out, mailbox);
	put_varint(out, prev);
}

int op_parse_link(const struct op *op, uint32_t *mailbox_r, uint64_t *prev_r)
{
	if (op->kind != OP_ADD && op->kind != OP_FLAGS && op->kind != OP_EXPUNGE)
		return 0;
	struct reader in = reader_of(op->body);
	*mailbox_r = get_u32v(&in);
	*prev_r = get_varint(&in);
	return !in.bad;
}

int op_parse_flags(struct span body, struct op_flags *op_r)
{
	struct reader in = reader_of(body);
	op_r->mailbox = get_u32v(&in);
	op_r->prev = get_varint(&in);
	op_r->op = get_u8(&in);
	op_r->flags = get_u32v(&in);
	op_r->keywords = get_varint(&in);
	get_delta(&in, &op_r->delta);
	op_r->ranges = get_rest(&in);
	return in.bad ? -1 : 0;
}

void op_put_flags(struct str *out, const struct op_flags *op)
{
	size_t at = op_begin(out, OP_FLAGS);
	put_link(out, op->mailbox, op->prev);
	put_u8(out, op->op);
	put_varint(out, op->flags);
	put_varint(out, op->keywords);
	put_delta(out, &op->delta);
	str_add_span(out, op->ranges);
	op_end(out, at);
}

int op_parse_expunge(struct span body, struct op_expunge *op_r)
{
	struct reader in = reader_of(body);
	op_r->mailbox = get_u32v(&in);
	op_r->prev = get_varint(&in);
	get_delta(&in, &op_r->delta);
	op_r->ranges = get_rest(&in);
	return in.bad ? -1 : 0;
}

void op_put_expunge(struct str *out, const struct op_expunge *op)
{
	size_t at = op_begin(out, OP_EXPUNGE);
	put_link(out, op->mailbox, op->prev);
	put_delta(out, &op->delta);
	str_add_span(out, op->ranges);
	op_end(out, at);
}

int op_parse_add(struct span body, struct op_add *op_r)
{
	struct reader in = reader_of(body);
	op_r->mailbox = get_u32v(&in);
	op_r->prev = get_varint(&in);
	op_r->first_uid = get_u32v(&in);
	op_r->n = get_u32v(&in);
	op_r->rows = get_rest(&in);
	bool wraps = (uint64_t)op_r->first_uid + op_r->n > UINT32_MAX;
	return in.bad || !op_r->first_uid || wraps ? -1 : 0;
}

size_t op_begin_add(struct str *out, const struct op_add *op)
{
	size_t at = op_begin(out, OP_ADD);
	put_link(out, op->mailbox, op->prev);
	put_varint(out, op->first_uid);
	put_varint(out, op->n);
	return at;
}

enum {
	ROW_SUMMARY_HERE = 1,
	ROW_SEEN = 2,
};

void op_put_row(struct str *out, const struct op_row *row)
{
	bool here = row->summary.p;
	put_u8(out, (uint8_t)((here ? ROW_SUMMARY_HERE : 0) | (row->seen ? ROW_SEEN : 0)));
	put_varint(out, row->size);
	put_varint(out, row->header_size);
	put_varint(out, row->flags);
	put_varint(out, row->keywords);
	put_signed(out, row->internal_date);
	put_signed(out, row->zone);
	put_signed(out, (int64_t)row->sent_date);
	put_varint(out, row->pack);
	put_varint(out, row->pack_at);
	if (row->seen)
		str_add(out, row->seen, OP_SEEN_SIZE);
	if (here) {
		put_blob(out, row->summary);
	} else {
		put_varint(out, row->summary_at);
		put_varint(out, row->summary_size);
	}
}

int op_row_next(struct span *rest, struct op_row *row_r)
{
	if (!rest->n)
		return 0;
	struct reader in = reader_of(*rest);
	*row_r = (struct op_row){0};
	uint8_t has = get_u8(&in);
	row_r->size = get_u32v(&in);
	row_r->header_size = get_u32v(&in);
	row_r->flags = get_u32v(&in);
	row_r->keywords = get_varint(&in);
	row_r->internal_date = get_signed(&in);
	row_r->zone = (int32_t)get_signed(&in);
	row_r->sent_date = (uint64_t)get_signed(&in);
	row_r->pack = get_varint(&in);
	row_r->pack_at = get_varint(&in);
	if (has & ROW_SEEN)
		row_r->seen = (const unsigned char *)get_bytes(&in, OP_SEEN_SIZE).p;
	if (has & ROW_SUMMARY_HERE) {
		row_r->summary = get_blob(&in);
		row_r->summary_size = (uint32_t)row_r->summary.n;
	} else {
		row_r->summary_at = get_varint(&in);
		row_r->summary_size = get_u32v(&in);
	}
	*rest = span_make(in.p, reader_left(&in));
	return in.bad ? -1 : 1;
}

void op_put_range(struct str *ranges, uint32_t *last, uint32_t from, uint32_t to)
{
	put_varint(ranges, from - *last);
	put_varint(ranges, to - from);
	*last = to;
}

int op_range_next(struct span *rest, uint32_t *last, uint32_t *from_r, uint32_t *to_r)
{
	if (!rest->n)
		return 0;
	struct reader in = reader_of(*rest);
	uint64_t from = *last + get_varint(&in), span = get_varint(&in);
	*rest = span_make(in.p, reader_left(&in));
	if (in.bad || from <= *last || from > UINT32_MAX || span > UINT32_MAX - from)
		return -1;
	*from_r = (uint32_t)from;
	*last = *to_r = (uint32_t)(from + span);
	return 1;
}
