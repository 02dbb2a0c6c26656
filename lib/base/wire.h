/*
 * Binary readers and writers for frames and durable formats: little endian, bounds checked. A
 * reader that runs past its end turns bad and stays bad; every get returns zero from then on, so
 * that a parser checks once at its end.
 */
#ifndef BASE_WIRE_H
#define BASE_WIRE_H

#include <stdint.h>

#include "base/str.h"

struct reader {
	const unsigned char *p, *end;
	bool bad;
};

static inline struct reader reader_of(struct span s)
{
	return (struct reader){(const unsigned char *)s.p, (const unsigned char *)s.p + s.n, false};
}
static inline size_t reader_left(const struct reader *r)
{
	return (size_t)(r->end - r->p);
}
uint8_t get_u8(struct reader *r);
uint16_t get_u16(struct reader *r);
uint32_t get_u32(struct reader *r);
uint64_t get_u64(struct reader *r);
uint64_t get_varint(struct reader *r);           /* LEB128, at most 10 bytes */
struct span get_bytes(struct reader *r, size_t n);
struct span get_blob(struct reader *r);          /* varint length, then the bytes */
/* A blob as a C string in the pool; a NUL inside makes the reader bad. */
const char *get_cstr(struct reader *r, struct pool *pool);

void put_u8(struct str *out, uint8_t v);
void put_u16(struct str *out, uint16_t v);
void put_u32(struct str *out, uint32_t v);
void put_u64(struct str *out, uint64_t v);
void put_varint(struct str *out, uint64_t v);
void put_blob(struct str *out, struct span s);
void put_cstr(struct str *out, const char *s); /* NULL as empty */

/* Overwrite in place: a length or checksum known only at the end. */
void set_u32(struct str *out, size_t at, uint32_t v);
void set_u64(struct str *out, size_t at, uint64_t v);

#endif
