#include "queue/queue.h"

#include "base/wire.h"
#include "os/os.h"

#define VERSION 1

enum row_flags { ROW_HELD = 1, ROW_WARNED = 2, ROW_PARENT = 4, ROW_DONE = 8 };

static void put_recipient(struct str *out, const struct queue_recipient *r)
{
	enum recipient_state state = r->state == RCPT_SENT ? RCPT_WAITING : r->state;
	put_u8(out, (uint8_t)state);
	put_u8(out, r->reported);
	put_varint(out, r->origin);
	put_varint(out, r->parent == QUEUE_NO_PARENT ? 0 : (uint64_t)r->parent + 1);
	put_varint(out, r->notify);
	put_varint(out, r->attempts);
	put_cstr(out, r->address);
	put_cstr(out, r->sender);
	put_u8(out, (uint8_t)r->last.fate);
	put_cstr(out, r->last.status);
	put_cstr(out, r->last.text);
	put_cstr(out, r->last.remote_mta);
	put_cstr(out, r->agent);
}

void queue_row_put(struct str *out, const struct queue_row *row)
{
	put_u8(out, VERSION);
	put_u8(out, (uint8_t)((row->held ? ROW_HELD : 0) | (row->warned ? ROW_WARNED : 0) |
			      (row->parent ? ROW_PARENT : 0) | (row->done ? ROW_DONE : 0)));
	str_add(out, row->trace, TRACE_ID_LEN);
	put_u64(out, (uint64_t)row->arrival_s);
	put_u64(out, (uint64_t)row->next_s);
	put_u64(out, row->size);
	put_u32(out, row->attempts);
	put_cstr(out, row->sender);
	put_varint(out, row->n);
	for (size_t i = 0; i < row->n; i++)
		put_recipient(out, &row->recipients[i]);
}

static bool get_recipient(struct reader *r, struct pool *pool, size_t i, struct queue_recipient *to)
{
	unsigned state = get_u8(r);
	to->reported = get_u8(r);
	to->origin = (uint32_t)get_varint(r);
	uint64_t parent = get_varint(r);
	to->parent = parent ? (uint32_t)(parent - 1) : QUEUE_NO_PARENT;
	to->notify = (unsigned)get_varint(r);
	to->attempts = (uint32_t)get_varint(r);
	to->address = get_cstr(r, pool);
	to->sender = get_cstr(r, pool);
	unsigned fate = get_u8(r);
	to->last.fate = (enum fate)fate;
	to->last.status = get_cstr(r, pool);
	to->last.text = get_cstr(r, pool);
	to->last.remote_mta = get_cstr(r, pool);
	to->agent = get_cstr(r, pool);
	to->state = (enum recipient_state)state;
	return !r->bad && state < RCPT_STATES && state != RCPT_SENT && fate <= FATE_FAILED &&
	       parent <= i;
}

int queue_row_parse(struct span blob, struct pool *pool, struct queue_row *row_r)
{
	struct reader r = reader_of(blob);
	if (get_u8(&r) != VERSION)
		return -1;
	unsigned flags = get_u8(&r);
	struct span trace = get_bytes(&r, TRACE_ID_LEN);
	*row_r = (struct queue_row){.held = flags & ROW_HELD,
		.warned = flags & ROW_WARNED,
		.parent = flags & ROW_PARENT,
		.done = flags & ROW_DONE};
	if (!r.bad)
		memcpy(row_r->trace, trace.p, TRACE_ID_LEN);
	row_r->arrival_s = (int64_t)get_u64(&r);
	row_r->next_s = (int64_t)get_u64(&r);
	row_r->size = get_u64(&r);
	row_r->attempts = get_u32(&r);
	row_r->sender = get_cstr(&r, pool);
	uint64_t n = get_varint(&r);
	if (r.bad || n > QUEUE_ROW_RECIPIENTS_MAX || n > reader_left(&r))
		return -1;
	row_r->recipients = pool_array(pool, n, sizeof(*row_r->recipients));
	for (; row_r->n < n; row_r->n++)
		if (!get_recipient(&r, pool, row_r->n, &row_r->recipients[row_r->n]))
			return -1;
	return reader_left(&r) ? -1 : 0;
}

/* --- keys --- */

static void put_be64(struct str *out, uint64_t v)
{
	for (int shift = 56; shift >= 0; shift -= 8)
		str_putc(out, (char)(v >> shift));
}

static uint64_t get_be64(const char *p)
{
	uint64_t v = 0;
	for (int i = 0; i < 8; i++)
		v = v << 8 | (unsigned char)p[i];
	return v;
}

void queue_place_put(struct str *out, uint64_t segment, uint64_t at)
{
	put_be64(out, segment);
	put_be64(out, at);
}

bool queue_place_parse(struct span key, uint64_t *segment_r, uint64_t *at_r)
{
	if (key.n != QUEUE_PLACE_LEN)
		return false;
	*segment_r = get_be64(key.p);
	*at_r = get_be64(key.p + 8);
	return true;
}

void queue_due_put(struct str *out, int64_t at_s, uint64_t segment, uint64_t at)
{
	put_be64(out, (uint64_t)at_s);
	queue_place_put(out, segment, at);
}

bool queue_due_parse(struct span key, int64_t *at_s_r, uint64_t *segment_r, uint64_t *at_r)
{
	if (key.n != 8 + QUEUE_PLACE_LEN)
		return false;
	*at_s_r = (int64_t)get_be64(key.p);
	return queue_place_parse(span_make(key.p + 8, QUEUE_PLACE_LEN), segment_r, at_r);
}

/* The time of the parent, and instead of its random digits others that follow from the step. */
void queue_child_trace(const char *parent, const char *step, struct trace_id *id_r)
{
	static const char digits[] = "0123456789ABCDEFGHJKMNPQRSTVWXYZ";
	uint32_t crc = os_crc32c(os_crc32c(0, parent, strlen(parent)), step, strlen(step));
	memcpy(id_r->s, parent, TRACE_ID_LEN);
	id_r->s[TRACE_ID_LEN] = '\0';
	for (int i = TRACE_ID_LEN - 1; i >= TRACE_ID_LEN - 5; i--, crc >>= 5)
		id_r->s[i] = digits[crc & 31];
}
