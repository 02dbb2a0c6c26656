/* xtext (RFC 3461 4): what ORCPT, ENVID and AUTH carry in commands. */
#include "mail/dsn.h"

static int hex_digit(char c)
{
	return ascii_is_digit(c) ? c - '0' : c >= 'A' && c <= 'F' ? c - 'A' + 10 : -1;
}

static bool is_plain(char c)
{
	return c > ' ' && c < 0x7f && c != '+' && c != '=';
}

void xtext_put(struct str *out, struct span text)
{
	static const char digits[] = "0123456789ABCDEF";
	for (size_t i = 0; i < text.n; i++) {
		unsigned char c = (unsigned char)text.p[i];
		if (is_plain(text.p[i])) {
			str_putc(out, text.p[i]);
			continue;
		}
		const char coded[3] = {'+', digits[c >> 4], digits[c & 15]};
		str_add(out, coded, sizeof(coded));
	}
}

int xtext_parse(struct span text, struct str *out)
{
	size_t start = out->len;
	for (size_t i = 0; i < text.n; i++) {
		int high = -1, low = -1;
		if (text.p[i] == '+' && i + 2 < text.n) {
			high = hex_digit(text.p[i + 1]);
			low = hex_digit(text.p[i + 2]);
		}
		bool coded = high >= 0 && low >= 0;
		/* Decoded text goes into logs and reports: nothing that ends a line or a string. */
		bool control = coded && ((high << 4 | low) < ' ' || (high << 4 | low) == 0x7f);
		if (control || (!coded && !is_plain(text.p[i]))) {
			str_truncate(out, start);
			return -1;
		}
		str_putc(out, coded ? (char)(high << 4 | low) : text.p[i]);
		i += coded ? 2 : 0;
	}
	return 0;
}
