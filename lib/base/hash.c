#include "base/hash.h"

#include <stdlib.h>
#include <sys/random.h>

#include "base/log.h"
#include "base/pool.h"

struct slot {
	uint64_t hash;
	char *key; /* NULL: free; TOMB: removed */
	size_t len;
	void *value;
};

struct hash {
	struct slot *slots;
	size_t size; /* a power of two */
	size_t count, filled; /* filled counts tombs too */
};

static char tomb;
#define TOMB (&tomb)

/* The key is drawn once; every process has its own, tests may rely on nothing. */
static uint64_t sip_key[2];
__attribute__((constructor)) static void draw_key(void)
{
	if (getrandom(sip_key, sizeof(sip_key), 0) != sizeof(sip_key))
		abort();
}

#define ROTL(x, b) (((x) << (b)) | ((x) >> (64 - (b))))
#define ROUND                                                                                      \
	do {                                                                                       \
		v0 += v1, v1 = ROTL(v1, 13), v1 ^= v0, v0 = ROTL(v0, 32);                          \
		v2 += v3, v3 = ROTL(v3, 16), v3 ^= v2;                                             \
		v0 += v3, v3 = ROTL(v3, 21), v3 ^= v0;                                             \
		v2 += v1, v1 = ROTL(v1, 17), v1 ^= v2, v2 = ROTL(v2, 32);                          \
	} while (0)

uint64_t hash_bytes(struct span key)
{
	uint64_t v0 = sip_key[0] ^ 0x736f6d6570736575u, v1 = sip_key[1] ^ 0x646f72616e646f6du;
	uint64_t v2 = sip_key[0] ^ 0x6c7967656e657261u, v3 = sip_key[1] ^ 0x7465646279746573u;
	uint64_t last = (uint64_t)key.n << 56, word;
	size_t i = 0;
	for (; i + 8 <= key.n; i += 8) {
		memcpy(&word, key.p + i, 8);
		v3 ^= word;
		ROUND;
		v0 ^= word;
	}
	for (size_t k = 0; i + k < key.n; k++)
		last |= (uint64_t)(unsigned char)key.p[i + k] << (8 * k);
	v3 ^= last;
	ROUND;
	v0 ^= last;
	v2 ^= 0xff;
	ROUND;
	ROUND;
	ROUND;
	return v0 ^ v1 ^ v2 ^ v3;
}

struct hash *hash_new(void)
{
	struct hash *h = mem_new(struct hash);
	h->size = 16;
	h->slots = mem_alloc(h->size * sizeof(*h->slots));
	return h;
}

void hash_free(struct hash **h)
{
	if (!*h)
		return;
	for (size_t i = 0; i < (*h)->size; i++)
		if ((*h)->slots[i].key != TOMB)
			free((*h)->slots[i].key);
	free((*h)->slots);
	mem_free(h);
}

size_t hash_count(const struct hash *h)
{
	return h->count;
}

static struct slot *find_slot(const struct hash *h, struct span key, uint64_t hash)
{
	for (size_t i = hash & (h->size - 1);; i = (i + 1) & (h->size - 1)) {
		struct slot *s = &h->slots[i];
		if (!s->key)
			return NULL;
		if (s->key != TOMB && s->hash == hash && span_eq(span_make(s->key, s->len), key))
			return s;
	}
}

static void resize(struct hash *h, size_t size)
{
	struct slot *old = h->slots;
	size_t old_size = h->size;
	h->slots = mem_alloc(size * sizeof(*h->slots));
	h->size = size;
	for (size_t k = 0; k < old_size; k++) {
		if (!old[k].key || old[k].key == TOMB)
			continue;
		size_t i = old[k].hash & (size - 1);
		while (h->slots[i].key)
			i = (i + 1) & (size - 1);
		h->slots[i] = old[k];
	}
	h->filled = h->count;
	free(old);
}

void *hash_find(const struct hash *h, struct span key)
{
	struct slot *s = find_slot(h, key, hash_bytes(key));
	return s ? s->value : NULL;
}

void *hash_set(struct hash *h, struct span key, void *value)
{
	uint64_t hash = hash_bytes(key);
	struct slot *s = find_slot(h, key, hash);
	if (s) {
		void *old = s->value;
		s->value = value;
		return old;
	}
	if (!value)
		log_panic("hash: NULL value");
	if ((h->filled + 1) * 4 > h->size * 3)
		resize(h, h->count * 2 >= h->size ? h->size * 2 : h->size);
	size_t i = hash & (h->size - 1);
	while (h->slots[i].key && h->slots[i].key != TOMB)
		i = (i + 1) & (h->size - 1);
	if (!h->slots[i].key)
		h->filled++;
	char *copy = mem_alloc(key.n + 1);
	if (key.n)
		memcpy(copy, key.p, key.n);
	h->slots[i] = (struct slot){.hash = hash, .key = copy, .len = key.n, .value = value};
	h->count++;
	return NULL;
}

void *hash_remove(struct hash *h, struct span key)
{
	struct slot *s = find_slot(h, key, hash_bytes(key));
	if (!s)
		return NULL;
	void *value = s->value;
	free(s->key);
	*s = (struct slot){.key = TOMB};
	h->count--;
	return value;
}

bool hash_next(const struct hash *h, size_t *at, struct span *key_r, void **value_r)
{
	while (*at < h->size) {
		struct slot *s = &h->slots[(*at)++];
		if (!s->key || s->key == TOMB)
			continue;
		*key_r = span_make(s->key, s->len);
		*value_r = s->value;
		return true;
	}
	return false;
}
