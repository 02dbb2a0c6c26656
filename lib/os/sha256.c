/* SHA-256, FIPS 180-4. */
#include <endian.h>
#include <string.h>

#include "os/os.h"

#define BLOCK 64

static const uint32_t constants[64] = {
	0x428a2f98, 0x71374491, 0xb5c0fbcf, 0xe9b5dba5, 0x3956c25b, 0x59f111f1, 0x923f82a4, 0xab1c5ed5,
	0xd807aa98, 0x12835b01, 0x243185be, 0x550c7dc3, 0x72be5d74, 0x80deb1fe, 0x9bdc06a7, 0xc19bf174,
	0xe49b69c1, 0xefbe4786, 0x0fc19dc6, 0x240ca1cc, 0x2de92c6f, 0x4a7484aa, 0x5cb0a9dc, 0x76f988da,
	0x983e5152, 0xa831c66d, 0xb00327c8, 0xbf597fc7, 0xc6e00bf3, 0xd5a79147, 0x06ca6351, 0x14292967,
	0x27b70a85, 0x2e1b2138, 0x4d2c6dfc, 0x53380d13, 0x650a7354, 0x766a0abb, 0x81c2c92e, 0x92722c85,
	0xa2bfe8a1, 0xa81a664b, 0xc24b8b70, 0xc76c51a3, 0xd192e819, 0xd6990624, 0xf40e3585, 0x106aa070,
	0x19a4c116, 0x1e376c08, 0x2748774c, 0x34b0bcb5, 0x391c0cb3, 0x4ed8aa4a, 0x5b9cca4f, 0x682e6ff3,
	0x748f82ee, 0x78a5636f, 0x84c87814, 0x8cc70208, 0x90befffa, 0xa4506ceb, 0xbef9a3f7, 0xc67178f2,
};

/* --- blocks --- */

static uint32_t turn(uint32_t v, int n)
{
	return v >> n | v << (32 - n);
}

static uint32_t next_word(const uint32_t w[16], int i)
{
	uint32_t a = w[(i + 1) & 15], b = w[(i + 14) & 15];
	return w[i & 15] + (turn(a, 7) ^ turn(a, 18) ^ a >> 3) + w[(i + 9) & 15] +
	       (turn(b, 17) ^ turn(b, 19) ^ b >> 10);
}

/* v[(k - i) & 7] is the standard's variable k of round i, so that nothing but what is new moves. */
static void add_block(uint32_t state[8], const unsigned char *p)
{
	uint32_t v[8], w[16];
	memcpy(v, state, sizeof(v));
	memcpy(w, p, sizeof(w));
#pragma GCC unroll 64
	for (int i = 0; i < 64; i++) {
		uint32_t a = v[-i & 7], b = v[(1 - i) & 7], c = v[(2 - i) & 7], *d = &v[(3 - i) & 7];
		uint32_t e = v[(4 - i) & 7], f = v[(5 - i) & 7], g = v[(6 - i) & 7], *h = &v[(7 - i) & 7];
		w[i & 15] = i < 16 ? be32toh(w[i]) : next_word(w, i);
		uint32_t t = *h + (turn(e, 6) ^ turn(e, 11) ^ turn(e, 25)) + (g ^ (e & (f ^ g))) +
			     constants[i] + w[i & 15];
		*d += t;
		*h = t + (turn(a, 2) ^ turn(a, 13) ^ turn(a, 22)) + ((a & b) | (c & (a | b)));
	}
	for (int i = 0; i < 8; i++)
		state[i] += v[i];
}

static void add_slow(uint32_t state[8], const unsigned char *p, size_t blocks)
{
	for (; blocks; blocks--, p += BLOCK)
		add_block(state, p);
}

/* --- the same by the processor's instructions --- */

#if defined(__x86_64__) && !defined(__clang__) /* which can't tell whether the processor has them */
#include <immintrin.h>

static bool has_instructions(void)
{
	return __builtin_cpu_supports("sha") && __builtin_cpu_supports("sse4.1");
}

/* The next four words of the schedule from the last sixteen, w[i & 3] the oldest of them. */
__attribute__((target("sha,sse4.1"), always_inline)) static inline __m128i schedule(
	const __m128i w[4], int i)
{
	__m128i mixed = _mm_sha256msg1_epu32(w[i & 3], w[(i + 1) & 3]);
	__m128i older = _mm_alignr_epi8(w[(i + 3) & 3], w[(i + 2) & 3], 4);
	return _mm_sha256msg2_epu32(_mm_add_epi32(mixed, older), w[(i + 3) & 3]);
}

__attribute__((target("sha,sse4.1"))) static void add_fast(
	uint32_t state[8], const unsigned char *p, size_t blocks)
{
	const __m128i swap = _mm_set_epi64x(0x0c0d0e0f08090a0b, 0x0405060700010203);
	/* The instructions want the words as A B E F and C D G H, the first highest. */
	__m128i low = _mm_shuffle_epi32(_mm_loadu_si128((const void *)state), 0xb1);
	__m128i high = _mm_shuffle_epi32(_mm_loadu_si128((const void *)(state + 4)), 0x1b);
	__m128i abef = _mm_alignr_epi8(low, high, 8), cdgh = _mm_blend_epi16(high, low, 0xf0);
	for (; blocks; blocks--, p += BLOCK) {
		__m128i old_abef = abef, old_cdgh = cdgh, w[4];
#pragma GCC unroll 16
		for (int i = 0; i < 16; i++) {
			const void *in = p + (size_t)(i & 3) * 16, *add = constants + (size_t)i * 4;
			w[i & 3] = i < 4 ? _mm_shuffle_epi8(_mm_loadu_si128(in), swap) : schedule(w, i);
			__m128i round = _mm_add_epi32(w[i & 3], _mm_loadu_si128(add));
			cdgh = _mm_sha256rnds2_epu32(cdgh, abef, round);
			abef = _mm_sha256rnds2_epu32(abef, cdgh, _mm_shuffle_epi32(round, 0x0e));
		}
		abef = _mm_add_epi32(abef, old_abef);
		cdgh = _mm_add_epi32(cdgh, old_cdgh);
	}
	low = _mm_shuffle_epi32(abef, 0x1b);
	high = _mm_shuffle_epi32(cdgh, 0xb1);
	_mm_storeu_si128((void *)state, _mm_blend_epi16(low, high, 0xf0));
	_mm_storeu_si128((void *)(state + 4), _mm_alignr_epi8(high, low, 8));
}

#elif defined(__aarch64__) && defined(__AARCH64EL__)
#include <arm_neon.h>
#include <sys/auxv.h>

static bool has_instructions(void)
{
	return getauxval(AT_HWCAP) & (1 << 6) /* HWCAP_SHA2 */;
}

__attribute__((target("+crypto"))) static void add_fast(
	uint32_t state[8], const unsigned char *p, size_t blocks)
{
	uint32x4_t abcd = vld1q_u32(state), efgh = vld1q_u32(state + 4);
	for (; blocks; blocks--, p += BLOCK) {
		uint32x4_t old_abcd = abcd, old_efgh = efgh, w[4];
#pragma GCC unroll 16
		for (int i = 0; i < 16; i++) {
			uint32x4_t *now = &w[i & 3];
			if (i < 4)
				*now = vreinterpretq_u32_u8(vrev32q_u8(vld1q_u8(p + (size_t)i * 16)));
			else
				*now = vsha256su1q_u32(vsha256su0q_u32(*now, w[(i + 1) & 3]),
					w[(i + 2) & 3], w[(i + 3) & 3]);
			uint32x4_t round = vaddq_u32(*now, vld1q_u32(constants + (size_t)i * 4));
			uint32x4_t before = abcd;
			abcd = vsha256hq_u32(abcd, efgh, round);
			efgh = vsha256h2q_u32(efgh, before, round);
		}
		abcd = vaddq_u32(abcd, old_abcd);
		efgh = vaddq_u32(efgh, old_efgh);
	}
	vst1q_u32(state, abcd);
	vst1q_u32(state + 4, efgh);
}

#else

static bool has_instructions(void)
{
	return false;
}

static void add_fast(uint32_t state[8], const unsigned char *p, size_t blocks)
{
	add_slow(state, p, blocks);
}

#endif

static void add_blocks(struct os_sha256 *h, const unsigned char *p, size_t blocks)
{
	if (h->fast)
		add_fast(h->state, p, blocks);
	else
		add_slow(h->state, p, blocks);
}

/* --- octets --- */

void os_sha256_init(struct os_sha256 *h)
{
	*h = (struct os_sha256){
		.state = {0x6a09e667, 0xbb67ae85, 0x3c6ef372, 0xa54ff53a, 0x510e527f, 0x9b05688c,
			0x1f83d9ab, 0x5be0cd19},
		.fast = has_instructions(),
	};
}

void os_sha256_add(struct os_sha256 *h, const void *octets, size_t n)
{
	const unsigned char *p = octets;
	size_t have = h->octets % BLOCK;
	h->octets += n;
	if (have + n >= BLOCK && have) {
		size_t rest = BLOCK - have;
		memcpy(h->block + have, p, rest);
		add_blocks(h, h->block, 1);
		have = 0;
		p += rest;
		n -= rest;
	}
	if (n >= BLOCK) {
		add_blocks(h, p, n / BLOCK);
		p += n / BLOCK * BLOCK;
		n %= BLOCK;
	}
	if (n)
		memcpy(h->block + have, p, n);
}

void os_sha256_end(struct os_sha256 *h, unsigned char sum_r[OS_SHA256_SIZE])
{
	static const unsigned char padding[BLOCK] = {0x80};
	uint64_t bits = htobe64(h->octets * 8);
	os_sha256_add(h, padding, (BLOCK + 55 - h->octets % BLOCK) % BLOCK + 1);
	os_sha256_add(h, &bits, sizeof(bits));
	for (int i = 0; i < 8; i++)
		h->state[i] = htobe32(h->state[i]);
	memcpy(sum_r, h->state, OS_SHA256_SIZE);
}

void os_sha256(const void *octets, size_t n, unsigned char sum_r[OS_SHA256_SIZE])
{
	struct os_sha256 h;
	os_sha256_init(&h);
	os_sha256_add(&h, octets, n);
	os_sha256_end(&h, sum_r);
}
