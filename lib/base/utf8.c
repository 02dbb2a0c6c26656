#include "base/utf8.h"

int utf8_next(struct span s, uint32_t *cp_r)
{
	static const uint32_t least[5] = {0, 0, 0x80, 0x800, 0x10000};
	if (!s.n)
		return 0;
	const unsigned char *p = (const unsigned char *)s.p;
	if (p[0] < 0x80) {
		*cp_r = p[0];
		return 1;
	}
	int len = p[0] >= 0xf0 ? 4 : p[0] >= 0xe0 ? 3 : 2;
	if (p[0] < 0xc2 || p[0] > 0xf4 || s.n < (size_t)len)
		return -1;
	uint32_t cp = p[0] & (0xffu >> (len + 1));
	for (int i = 1; i < len; i++) {
		if ((p[i] & 0xc0) != 0x80)
			return -1;
		cp = cp << 6 | (p[i] & 0x3f);
	}
	if (cp < least[len] || cp > 0x10ffff || (cp >= 0xd800 && cp <= 0xdfff))
		return -1;
	*cp_r = cp;
	return len;
}

bool utf8_is_ascii(struct span s)
{
	size_t i = 0;
	for (; i + 8 <= s.n; i += 8) {
		uint64_t word;
		memcpy(&word, s.p + i, 8);
		if (word & 0x8080808080808080u)
			return false;
	}
	for (; i < s.n; i++)
		if ((unsigned char)s.p[i] > 127)
			return false;
	return true;
}

bool utf8_is_valid(struct span s)
{
	if (utf8_is_ascii(s))
		return true;
	while (s.n) {
		uint32_t cp;
		int len = utf8_next(s, &cp);
		if (len < 0)
			return false;
		s.p += len;
		s.n -= (size_t)len;
	}
	return true;
}

void utf8_put(struct str *out, uint32_t cp)
{
	if (cp > 0x10ffff || (cp >= 0xd800 && cp <= 0xdfff))
		cp = 0xfffd;
	if (cp < 0x80) {
		str_putc(out, (char)cp);
		return;
	}
	int tail = cp < 0x800 ? 1 : cp < 0x10000 ? 2 : 3;
	static const unsigned char lead[4] = {0, 0xc0, 0xe0, 0xf0};
	str_putc(out, (char)(lead[tail] | cp >> (6 * tail)));
	while (tail--)
		str_putc(out, (char)(0x80 | ((cp >> (6 * tail)) & 0x3f)));
}

void utf8_put_clean(struct str *out, struct span s)
{
	while (s.n) {
		uint32_t cp;
		int len = utf8_next(s, &cp);
		if (len < 0) {
			utf8_put(out, 0xfffd);
			len = 1;
		} else {
			str_add(out, s.p, (size_t)len);
		}
		s.p += len;
		s.n -= (size_t)len;
	}
}
