/* Internationalized domain names on their way to DNS: see domain_to_ascii. */
#include "base/array.h"
#include "base/utf8.h"
#include "qmgr/smtp/smtp.h"

#define LABEL_MAX 63

/* RFC 3492 5 */
enum { BASE = 36, T_MIN = 1, T_MAX = 26, SKEW = 38, DAMP = 700, BIAS = 72, FIRST = 128 };

static uint32_t adapt(uint32_t delta, uint32_t points, bool first)
{
	uint32_t k = 0;
	delta = first ? delta / DAMP : delta / 2;
	delta += delta / points;
	for (; delta > (BASE - T_MIN) * T_MAX / 2; k += BASE)
		delta /= BASE - T_MIN;
	return k + (BASE - T_MIN + 1) * delta / (delta + SKEW);
}

static char digit(uint32_t d)
{
	return (char)(d < 26 ? 'a' + d : '0' + d - 26);
}

static void put_number(struct str *out, uint32_t q, uint32_t bias)
{
	for (uint32_t k = BASE;; k += BASE) {
		uint32_t t = k <= bias ? T_MIN : k >= bias + T_MAX ? T_MAX : k - bias;
		if (q < t)
			break;
		str_putc(out, digit(t + (q - t) % (BASE - t)));
		q = (q - t) / (BASE - t);
	}
	str_putc(out, digit(q));
}

static uint32_t next_point(const uint32_t *cps, size_t n, uint32_t from)
{
	uint32_t least = UINT32_MAX;
	for (size_t i = 0; i < n; i++)
		if (cps[i] >= from && cps[i] < least)
			least = cps[i];
	return least;
}

/* RFC 3492 6.3. At most LABEL_MAX points of 21 bits: nothing overflows. */
static void put_punycode(struct str *out, const uint32_t *cps, size_t n)
{
	uint32_t point = FIRST, delta = 0, bias = BIAS, done = 0, basic;
	for (size_t i = 0; i < n; i++)
		if (cps[i] < FIRST) {
			str_putc(out, (char)cps[i]);
			done++;
		}
	basic = done;
	if (basic)
		str_putc(out, '-');
	for (; done < n; delta++, point++) {
		uint32_t next = next_point(cps, n, point);
		delta += (next - point) * (done + 1);
		point = next;
		for (size_t i = 0; i < n; i++) {
			delta += cps[i] < point;
			if (cps[i] != point)
				continue;
			put_number(out, delta, bias);
			bias = adapt(delta, done + 1, done == basic);
			delta = 0;
			done++;
		}
	}
}

static bool put_label(struct str *out, struct span label)
{
	uint32_t cps[LABEL_MAX];
	size_t n = 0, start = out->len;
	if (utf8_is_ascii(label)) {
		str_add_span(out, label);
		return true;
	}
	for (int used; label.n; label.p += used, label.n -= (size_t)used) {
		used = n < LABEL_MAX ? utf8_next(label, &cps[n++]) : -1;
		if (used <= 0)
			return false;
	}
	str_puts(out, "xn--");
	put_punycode(out, cps, n);
	return out->len - start <= LABEL_MAX;
}

const char *domain_to_ascii(struct pool *pool, const char *domain)
{
	struct str out = STR_IN(pool);
	struct span rest = span_of(domain), label;
	for (bool first = true; span_split(&rest, '.', &label); first = false) {
		if (!first)
			str_putc(&out, '.');
		if (!put_label(&out, label))
			return NULL;
	}
	return str_c(&out);
}
