#include "base/codec.h"

static const char alphabet[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

void base64_put(struct str *out, struct span in)
{
	const unsigned char *p = (const unsigned char *)in.p;
	for (size_t i = 0; i < in.n; i += 3) {
		size_t left = in.n - i;
		uint32_t v = (uint32_t)p[i] << 16;
		if (left > 1)
			v |= (uint32_t)p[i + 1] << 8;
		if (left > 2)
			v |= p[i + 2];
		str_putc(out, alphabet[v >> 18]);
		str_putc(out, alphabet[v >> 12 & 63]);
		str_putc(out, left > 1 ? alphabet[v >> 6 & 63] : '=');
		str_putc(out, left > 2 ? alphabet[v & 63] : '=');
	}
}

static int digit64(unsigned char c)
{
	if (c >= 'A' && c <= 'Z')
		return c - 'A';
	if (c >= 'a' && c <= 'z')
		return c - 'a' + 26;
	if (ascii_is_digit(c))
		return c - '0' + 52;
	return c == '+' ? 62 : c == '/' ? 63 : -1;
}

bool base64_parse(struct str *out, struct span in)
{
	size_t start = out->len, pad = 0;
	if (in.n % 4)
		return false;
	while (pad < 2 && in.n > pad && in.p[in.n - 1 - pad] == '=')
		pad++;
	for (size_t i = 0; i < in.n; i += 4) {
		size_t keep = i + 4 == in.n ? 4 - pad : 4;
		uint32_t v = 0;
		for (size_t k = 0; k < 4; k++) {
			int d = k < keep ? digit64((unsigned char)in.p[i + k]) : 0;
			if (d < 0)
				goto bad;
			v = v << 6 | (uint32_t)d;
		}
		if ((keep == 2 && v & 0xffff) || (keep == 3 && v & 0xff))
			goto bad; /* bits past the end must be zero: one text, one value */
		char bytes[3] = {(char)(v >> 16), (char)(v >> 8), (char)v};
		str_add(out, bytes, keep - 1);
	}
	return true;
bad:
	str_truncate(out, start);
	return false;
}

void hex_put(struct str *out, struct span in)
{
	static const char digits[] = "0123456789abcdef";
	for (size_t i = 0; i < in.n; i++) {
		unsigned char c = (unsigned char)in.p[i];
		str_putc(out, digits[c >> 4]);
		str_putc(out, digits[c & 15]);
	}
}

static int digit16(unsigned char c)
{
	int l = ascii_lower(c);
	return ascii_is_digit(l) ? l - '0' : l >= 'a' && l <= 'f' ? l - 'a' + 10 : -1;
}

bool hex_parse(struct str *out, struct span in)
{
	size_t start = out->len;
	if (in.n % 2)
		return false;
	for (size_t i = 0; i < in.n; i += 2) {
		int hi = digit16((unsigned char)in.p[i]), lo = digit16((unsigned char)in.p[i + 1]);
		if (hi < 0 || lo < 0) {
			str_truncate(out, start);
			return false;
		}
		str_putc(out, (char)(hi << 4 | lo));
	}
	return true;
}
