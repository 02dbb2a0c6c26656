#include "store/seen.h"

#include <nettle/sha2.h>

#include "base/array.h"
#include "base/num.h"

struct entry {
	unsigned char digest[OP_SEEN_SIZE];
	uint32_t time_s; /* past 2106 it wraps: then a window is shorter, once */
	uint32_t uid;
	uint64_t at;
};

/* entries is a ring once it is full; table finds in it: index + 1, 0 free, open addressing, at most
 * half full. */
struct seen {
	ARRAY(struct entry) entries;
	size_t oldest;
	uint32_t *table;
	size_t size;
};

struct seen *seen_new(void)
{
	return mem_new(struct seen);
}

void seen_free(struct seen **s)
{
	if (!*s)
		return;
	array_fini(&(*s)->entries);
	mem_free(&(*s)->table);
	mem_free(s);
}

void seen_digest(const char *delivery_id, unsigned char digest_r[OP_SEEN_SIZE])
{
	struct sha256_ctx hash;
	sha256_init(&hash);
	sha256_update(&hash, strlen(delivery_id), (const unsigned char *)delivery_id);
	sha256_digest(&hash, OP_SEEN_SIZE, digest_r);
}

/* The digest is a hash already. */
static size_t place_of(const struct seen *s, const unsigned char *digest)
{
	uint64_t h;
	memcpy(&h, digest, sizeof(h));
	return (size_t)h & (s->size - 1);
}

static void table_put(struct seen *s, size_t index)
{
	size_t at = place_of(s, s->entries.v[index].digest);
	while (s->table[at])
		at = (at + 1) & (s->size - 1);
	s->table[at] = (uint32_t)index + 1;
}

static void rebuild(struct seen *s, size_t size)
{
	mem_free(&s->table);
	s->size = size;
	s->table = mem_alloc(size * sizeof(*s->table));
	for (size_t i = 0; i < s->entries.n; i++)
		table_put(s, i);
}

/* Backward-shift deletion, so that the ring can turn for ever without tombs. */
static void table_remove(struct seen *s, size_t index)
{
	size_t mask = s->size - 1, hole = place_of(s, s->entries.v[index].digest);
	while (s->table[hole] != index + 1)
		hole = (hole + 1) & mask;
	for (size_t at = (hole + 1) & mask; s->table[at]; at = (at + 1) & mask) {
		size_t home = place_of(s, s->entries.v[s->table[at] - 1].digest);
		if (((at - home) & mask) < ((at - hole) & mask))
			continue;
		s->table[hole] = s->table[at];
		hole = at;
	}
	s->table[hole] = 0;
}

void seen_add(
	struct seen *s, const unsigned char *digest, int64_t time_s, uint32_t uid, uint64_t at)
{
	size_t index = s->entries.n;
	if (index < SEEN_MAX) {
		array_add(&s->entries);
	} else {
		index = s->oldest;
		s->oldest = (s->oldest + 1) % SEEN_MAX;
		table_remove(s, index);
	}
	struct entry *e = &s->entries.v[index];
	memcpy(e->digest, digest, OP_SEEN_SIZE);
	e->time_s = (uint32_t)time_s;
	e->uid = uid;
	e->at = at;
	if (s->entries.n * 2 > s->size)
		rebuild(s, s->size ? s->size * 2 : 64);
	else
		table_put(s, index);
}

int seen_find(const struct seen *s, const unsigned char *digest, uint32_t *uid_r)
{
	if (!s->size)
		return 0;
	for (size_t at = place_of(s, digest); s->table[at]; at = (at + 1) & (s->size - 1)) {
		const struct entry *e = &s->entries.v[s->table[at] - 1];
		if (memcmp(e->digest, digest, OP_SEEN_SIZE) == 0) {
			*uid_r = e->uid;
			return 1;
		}
	}
	return 0;
}

void seen_put(const struct seen *s, int64_t now_s, uint64_t before, struct str *out)
{
	struct str kept = STR_INIT;
	uint32_t n = 0, since = now_s > SEEN_SECONDS ? (uint32_t)(now_s - SEEN_SECONDS) : 0;
	for (size_t i = 0; i < s->entries.n; i++) {
		const struct entry *e = &s->entries.v[(s->oldest + i) % s->entries.n];
		if (e->time_s < since || e->at >= before)
			continue;
		str_add(&kept, e->digest, OP_SEEN_SIZE);
		put_u32(&kept, e->time_s);
		put_u32(&kept, e->uid);
		n++;
	}
	put_varint(out, n);
	str_add_span(out, str_span(&kept));
	str_fini(&kept);
}

int seen_parse(struct seen *s, struct reader *in)
{
	uint64_t n = get_varint(in);
	if (n > SEEN_MAX)
		return -1;
	for (uint64_t i = 0; i < n && !in->bad; i++) {
		struct span digest = get_bytes(in, OP_SEEN_SIZE);
		uint32_t time_s = get_u32(in), uid = get_u32(in);
		if (!in->bad)
			seen_add(s, (const unsigned char *)digest.p, time_s, uid, 0);
	}
	return in->bad ? -1 : 0;
}
