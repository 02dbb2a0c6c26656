#include "queue/record.h"

#include "base/wire.h"
#include "os/os.h"

#define RECORD_MAGIC   0x63655254u /* "TRec" */
#define RECORD_CHECKED 48	   /* octets that the head's checksum covers */
#define DONE_WORD      0x646e6f44454e4f44u

static const char segment_magic[8] = {'T', 'H', 'R', 'N', 'S', 'E', 'G', '1'};

void segment_head_put(struct str *out, const struct segment_head *h)
{
	for (int copy = 0; copy < SEGMENT_START / SEGMENT_HEADER_COPY; copy++) {
		size_t start = out->len;
		str_add(out, segment_magic, sizeof(segment_magic));
		put_u64(out, h->id);
		put_u64(out, h->salt);
		put_u64(out, h->created_us);
		put_u32(out, os_crc32c(0, out->s + start, out->len - start));
		size_t pad = SEGMENT_HEADER_COPY - (out->len - start);
		memset(str_reserve(out, pad), 0, pad);
		out->len += pad;
	}
}

static bool parse_copy(struct span copy, struct segment_head *h_r)
{
	struct reader r = reader_of(copy);
	struct span magic = get_bytes(&r, sizeof(segment_magic));
	h_r->id = get_u64(&r);
	h_r->salt = get_u64(&r);
	h_r->created_us = get_u64(&r);
	uint32_t crc = get_u32(&r);
	return !r.bad && span_eq(magic, span_make(segment_magic, sizeof(segment_magic))) &&
	       crc == os_crc32c(0, copy.p, SEGMENT_HEADER - 4);
}

bool segment_head_parse(struct span start, struct segment_head *h_r)
{
	if (parse_copy(start, h_r))
		return true;
	return start.n > SEGMENT_HEADER_COPY &&
	       parse_copy(span_make(start.p + SEGMENT_HEADER_COPY, start.n - SEGMENT_HEADER_COPY),
		       h_r);
}

void record_head_put(struct str *out, const struct record_head *h, uint64_t salt, uint64_t at)
{
	size_t start = out->len;
	put_u32(out, RECORD_MAGIC);
	put_u32(out, (uint32_t)h->kind);
	put_u64(out, salt ^ at);
	put_u64(out, h->length);
	put_u32(out, h->envelope);
	put_u32(out, h->crc);
	str_add(out, h->trace, TRACE_ID_LEN);
	put_u32(out, os_crc32c(0, out->s + start, RECORD_CHECKED));
	put_u32(out, 0);
	put_u64(out, h->done ? record_done_stamp(salt, at) : 0);
}

static bool is_plausible(const struct record_head *h)
{
	return h->kind >= RECORD_MESSAGE && h->kind <= RECORD_SEAL && h->envelope <= h->length &&
	       h->envelope <= SEGMENT_ENVELOPE_MAX && h->length <= SEGMENT_BODY_MAX;
}

bool record_head_parse(const char *p, uint64_t salt, uint64_t at, struct record_head *h_r)
{
	struct reader r = reader_of(span_make(p, SEGMENT_RECORD));
	if (get_u32(&r) != RECORD_MAGIC)
		return false;
	h_r->kind = (enum record_kind)get_u32(&r);
	uint64_t place = get_u64(&r);
	h_r->length = get_u64(&r);
	h_r->envelope = get_u32(&r);
	h_r->crc = get_u32(&r);
	memcpy(h_r->trace, get_bytes(&r, TRACE_ID_LEN).p, TRACE_ID_LEN);
	h_r->trace[TRACE_ID_LEN] = '\0';
	uint32_t crc = get_u32(&r);
	get_u32(&r);
	h_r->done = get_u64(&r) == record_done_stamp(salt, at);
	return place == (salt ^ at) && crc == os_crc32c(0, p, RECORD_CHECKED) && is_plausible(h_r);
}

bool record_head_salt(const char *p, uint64_t at, uint64_t *salt_r)
{
	struct reader r = reader_of(span_make(p + RECORD_SALT_AT, sizeof(uint64_t)));
	struct record_head head;
	*salt_r = get_u64(&r) ^ at;
	return record_head_parse(p, *salt_r, at, &head);
}

uint64_t record_done_stamp(uint64_t salt, uint64_t at)
{
	return DONE_WORD ^ salt ^ at;
}
