#include "mail/trace.h"

#include <sys/random.h>

#include "base/log.h"

#define TIME_LEN 11

static const char digits[] = "0123456789ABCDEFGHJKMNPQRSTVWXYZ";

static void put_base32(char *s, size_t n, uint64_t v)
{
	for (; n-- > 0; v >>= 5)
		s[n] = digits[v & 31];
}

struct trace_id trace_id_make(int64_t wall_us)
{
	struct trace_id id = {""};
	uint32_t random;
	if (getrandom(&random, sizeof(random), 0) != sizeof(random))
		log_panic("getrandom failed");
	put_base32(id.s, TIME_LEN, (uint64_t)wall_us);
	put_base32(id.s + TIME_LEN, TRACE_ID_LEN - TIME_LEN, random);
	return id;
}

bool trace_id_parse(struct span text, struct trace_id *id_r)
{
	struct trace_id id = {""};
	if (text.n != TRACE_ID_LEN)
		return false;
	for (size_t i = 0; i < TRACE_ID_LEN; i++) {
		int c = ascii_upper((unsigned char)text.p[i]);
		if (!c || !strchr(digits, c))
			return false;
		id.s[i] = (char)c;
	}
	*id_r = id;
	return true;
}

int64_t trace_id_time_us(const struct trace_id *id)
{
	uint64_t v = 0;
	for (size_t i = 0; i < TIME_LEN && id->s[i]; i++) {
		const char *digit = strchr(digits, id->s[i]);
		v = v << 5 | (digit ? (uint64_t)(digit - digits) : 0);
	}
	return (int64_t)v;
}
