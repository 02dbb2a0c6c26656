#include "base/wire.h"

struct span get_bytes(struct reader *r, size_t n)
{
	if (r->bad || reader_left(r) < n) {
		r->bad = true;
		return span_make("", 0);
	}
	struct span s = span_make(r->p, n);
	r->p += n;
	return s;
}

static uint64_t get_le(struct reader *r, size_t n)
{
	struct span s = get_bytes(r, n);
	uint64_t v = 0;
	for (size_t i = s.n; i-- > 0;)
		v = v << 8 | (unsigned char)s.p[i];
	return v;
}

uint8_t get_u8(struct reader *r)
{
	return (uint8_t)get_le(r, 1);
}

uint16_t get_u16(struct reader *r)
{
	return (uint16_t)get_le(r, 2);
}

uint32_t get_u32(struct reader *r)
{
	return (uint32_t)get_le(r, 4);
}

uint64_t get_u64(struct reader *r)
{
	return get_le(r, 8);
}

uint64_t get_varint(struct reader *r)
{
	uint64_t v = 0;
	for (unsigned shift = 0; shift < 64; shift += 7) {
		uint8_t b = get_u8(r);
		if (shift == 63 && b > 1)
			break;
		v |= (uint64_t)(b & 0x7f) << shift;
		if (!(b & 0x80))
			return r->bad ? 0 : v;
	}
	r->bad = true;
	return 0;
}

struct span get_blob(struct reader *r)
{
	uint64_t n = get_varint(r);
	if (n > reader_left(r)) {
		r->bad = true;
		n = 0;
	}
	return get_bytes(r, (size_t)n);
}

const char *get_cstr(struct reader *r, struct pool *pool)
{
	struct span s = get_blob(r);
	if (s.n && memchr(s.p, 0, s.n)) {
		r->bad = true;
		s.n = 0;
	}
	return pool_span(pool, s);
}

static void put_le(struct str *out, uint64_t v, size_t n)
{
	char *p = str_reserve(out, n);
	for (size_t i = 0; i < n; i++)
		p[i] = (char)(v >> (8 * i));
	out->len += n;
	out->s[out->len] = '\0';
}

void put_u8(struct str *out, uint8_t v)
{
	put_le(out, v, 1);
}

void put_u16(struct str *out, uint16_t v)
{
	put_le(out, v, 2);
}

void put_u32(struct str *out, uint32_t v)
{
	put_le(out, v, 4);
}

void put_u64(struct str *out, uint64_t v)
{
	put_le(out, v, 8);
}

void put_varint(struct str *out, uint64_t v)
{
	while (v >= 0x80) {
		put_u8(out, (uint8_t)(v | 0x80));
		v >>= 7;
	}
	put_u8(out, (uint8_t)v);
}

void put_blob(struct str *out, struct span s)
{
	put_varint(out, s.n);
	str_add_span(out, s);
}

void put_cstr(struct str *out, const char *s)
{
	put_blob(out, span_of(s));
}

static void set_le(struct str *out, size_t at, uint64_t v, size_t n)
{
	for (size_t i = 0; i < n; i++)
		out->s[at + i] = (char)(v >> (8 * i));
}

void set_u32(struct str *out, size_t at, uint32_t v)
{
	set_le(out, at, v, 4);
}

void set_u64(struct str *out, size_t at, uint64_t v)
{
	set_le(out, at, v, 8);
}
