#include "os/os.h"

#include <string.h>

#if defined(__x86_64__)
#define TARGET	       __attribute__((target("sse4.2")))
#define STEP_8(crc, v) __builtin_ia32_crc32di((crc), (v))
#define STEP_1(crc, v) __builtin_ia32_crc32qi((uint32_t)(crc), (v))
static bool has_instruction(void)
{
	return __builtin_cpu_supports("sse4.2");
}
#elif defined(__aarch64__)
#include <sys/auxv.h>
#define TARGET	       __attribute__((target("+crc")))
#define STEP_8(crc, v) __builtin_aarch64_crc32cx((uint32_t)(crc), (v))
#define STEP_1(crc, v) __builtin_aarch64_crc32cb((uint32_t)(crc), (v))
static bool has_instruction(void)
{
	return getauxval(AT_HWCAP) & (1 << 7) /* HWCAP_CRC32 */;
}
#endif

#define BLOCK ((size_t)4096)

/* What each bit of a sum becomes by BLOCK octets of zeros: the sum of two blocks behind each other is the sum of the
 * first, taken past the second, and the sum of the second from 0. */
static const uint32_t past_block[32] = {
	0xc2a5b65e, 0x80a71a4d, 0x04a2426b, 0x094484d6, 0x128909ac, 0x25121358,
	0x4a2426b0, 0x94484d60, 0x2d7cec31, 0x5af9d862, 0xb5f3b0c4, 0x6e0b1779,
	0xdc162ef2, 0xbdc02b15, 0x7e6c20db, 0xfcd841b6, 0xfc5cf59d, 0xfd559dcb,
	0xff474d67, 0xfb62ec3f, 0xf329ae8f, 0xe3bf2bef, 0xc292212f, 0x80c834af,
	0x047c1faf, 0x08f83f5e, 0x11f07ebc, 0x23e0fd78, 0x47c1faf0, 0x8f83f5e0,
	0x1aeb9d31, 0x35d73a62,
};

static uint32_t past(uint32_t crc)
{
	uint32_t sum = 0;
	for (const uint32_t *row = past_block; crc; crc >>= 1, row++)
		sum ^= crc & 1 ? *row : 0;
	return sum;
}

/* Three blocks at a time: the instruction takes three cycles, and one can be begun in each. */
TARGET static uint32_t crc_three(uint32_t start, const unsigned char *p)
{
	uint64_t a = start, b = 0, c = 0;
	for (const unsigned char *end = p + BLOCK; p < end; p += 8) {
		uint64_t v[3];
		memcpy(&v[0], p, 8);
		memcpy(&v[1], p + BLOCK, 8);
		memcpy(&v[2], p + 2 * BLOCK, 8);
		a = STEP_8(a, v[0]);
		b = STEP_8(b, v[1]);
		c = STEP_8(c, v[2]);
	}
	return past(past((uint32_t)a) ^ (uint32_t)b) ^ (uint32_t)c;
}

TARGET static uint32_t crc_fast(uint32_t start, const unsigned char *p, size_t n)
{
	for (; n >= 3 * BLOCK; n -= 3 * BLOCK, p += 3 * BLOCK)
		start = crc_three(start, p);
	uint64_t crc = start;
	for (; n >= 8; n -= 8, p += 8) {
		uint64_t v;
		memcpy(&v, p, 8);
		crc = STEP_8(crc, v);
	}
	for (; n; n--, p++)
		crc = STEP_1(crc, *p);
	return (uint32_t)crc;
}

/* Remainders of the reflected polynomial 0x82f63b78 for one nibble. */
static const uint32_t nibbles[16] = {
	0x00000000,
	0x105ec76f,
	0x20bd8ede,
	0x30e349b1,
	0x417b1dbc,
	0x5125dad3,
	0x61c69362,
	0x7198540d,
	0x82f63b78,
	0x92a8fc17,
	0xa24bb5a6,
	0xb21572c9,
	0xc38d26c4,
	0xd3d3e1ab,
	0xe330a81a,
	0xf36e6f75,
};

static uint32_t crc_slow(uint32_t crc, const unsigned char *p, size_t n)
{
	for (; n; n--, p++) {
		crc ^= *p;
		crc = nibbles[crc & 15] ^ (crc >> 4);
		crc = nibbles[crc & 15] ^ (crc >> 4);
	}
	return crc;
}

uint32_t os_crc32c_portable(uint32_t crc, const void *p, size_t n)
{
	return ~crc_slow(~crc, p, n);
}

uint32_t os_crc32c(uint32_t crc, const void *p, size_t n)
{
	return has_instruction() ? ~crc_fast(~crc, p, n) : ~crc_slow(~crc, p, n);
}
