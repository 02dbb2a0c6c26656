/* The bytes of segments: header and record heads (segment.h tells what they mean). Pure. */
#ifndef QUEUE_RECORD_H
#define QUEUE_RECORD_H

#include "queue/segment.h"

enum record_kind { RECORD_MESSAGE = 1, RECORD_SKIP = 2, RECORD_SEAL = 3 };

#define SEGMENT_HEADER	    36 /* octets of the header that mean something */
#define SEGMENT_HEADER_COPY 512
#define RECORD_SALT_AT	    8
#define RECORD_DONE_AT	    56

struct segment_head {
	uint64_t id, salt, created_us;
};
/* Appends the SEGMENT_START octets at the beginning of a segment. */
void segment_head_put(struct str *out, const struct segment_head *h);
/* From either copy; false when neither is whole. */
bool segment_head_parse(struct span start, struct segment_head *h_r);

struct record_head {
	enum record_kind kind;
	uint64_t length;
	uint32_t envelope, crc;
	char trace[TRACE_ID_LEN + 1];
	bool done;
};
/* Appends SEGMENT_RECORD octets. */
void record_head_put(struct str *out, const struct record_head *h, uint64_t salt, uint64_t at);
/* false when it is no record of this segment and place. p has SEGMENT_RECORD octets. */
bool record_head_parse(const char *p, uint64_t salt, uint64_t at, struct record_head *h_r);
/* The same for a segment whose salt is lost: takes it from the record. */
bool record_head_salt(const char *p, uint64_t at, uint64_t *salt_r);
uint64_t record_done_stamp(uint64_t salt, uint64_t at);

static inline uint64_t record_size(uint64_t payload)
{
	return (SEGMENT_RECORD + payload + SEGMENT_ALIGN - 1) & ~(uint64_t)(SEGMENT_ALIGN - 1);
}

#endif
