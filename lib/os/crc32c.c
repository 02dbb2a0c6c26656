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

TARGET static uint32_t crc_fast(uint32_t start, const unsigned char *p, size_t n)
{
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
