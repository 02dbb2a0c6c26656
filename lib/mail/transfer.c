#include "mail/transfer.h"

#include "base/codec.h"

void transfer_init(struct transfer *t, enum mime_encoding encoding)
{
	*t = (struct transfer){.encoding = encoding};
}

static int base64_value(unsigned char c)
{
	if (ascii_is_alpha(c))
		return c >= 'a' ? c - 'a' + 26 : c - 'A';
	if (ascii_is_digit(c))
		return c - '0' + 52;
	return c == '+' ? 62 : c == '/' ? 63 : -1;
}

static void put_base64(struct transfer *t, struct str *out, struct span in)
{
	unsigned char *q = (unsigned char *)str_reserve(out, in.n);
	size_t n = 0;
	for (size_t i = 0; i < in.n; i++) {
		int v = base64_value((unsigned char)in.p[i]);
		if (v < 0) {
			/* Padding ends a unit; some glue several encoded pieces together. */
			if (in.p[i] == '=')
				t->nbits = 0;
			continue;
		}
		t->bits = t->bits << 6 | (uint32_t)v;
		t->nbits += 6;
		if (t->nbits >= 8) {
			t->nbits -= 8;
			q[n++] = (unsigned char)(t->bits >> t->nbits);
		}
	}
	q[n] = '\0';
	out->len += n;
}

static int hex_value(unsigned char c)
{
	if (ascii_is_digit(c))
		return c - '0';
	c = (unsigned char)ascii_lower(c);
	return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

static void flush_held(struct transfer *t, struct str *out)
{
	str_add(out, t->held, t->nheld);
	t->nheld = 0;
}

static bool is_line_space(char c)
{
	return c == ' ' || c == '\t' || c == '\r';
}

/* Held is "=", "=X" or "=" and white space: true when c belongs to it. */
static bool qp_escape(struct transfer *t, struct str *out, char c)
{
	int first = t->nheld == 2 ? hex_value((unsigned char)t->held[1]) : -1;
	int v = hex_value((unsigned char)c);
	if (first >= 0 && v >= 0) {
		str_putc(out, (char)(first << 4 | v));
		t->nheld = 0;
		return true;
	}
	if (first < 0 && c == '\n') { /* soft line break */
		t->nheld = 0;
		return true;
	}
	if ((t->nheld == 1 && v >= 0) || (first < 0 && is_line_space(c))) {
		if (t->nheld < sizeof(t->held)) {
			t->held[t->nheld++] = c;
			return true;
		}
	}
	return false;
}

static void qp_octet(struct transfer *t, struct str *out, char c)
{
	if (t->nheld && t->held[0] == '=') {
		if (qp_escape(t, out, c))
			return;
		flush_held(t, out);
	}
	if (c == '\n') { /* white space at the end of a line was added on the way */
		bool cr = t->nheld && t->held[t->nheld - 1] == '\r';
		t->nheld = 0;
		str_puts(out, cr ? "\r\n" : "\n");
	} else if (c == '=') {
		flush_held(t, out);
		t->held[t->nheld++] = c;
	} else if (is_line_space(c)) {
		if (t->nheld == sizeof(t->held))
			flush_held(t, out);
		t->held[t->nheld++] = c;
	} else {
		flush_held(t, out);
		str_putc(out, c);
	}
}

/* Runs of octets that mean themselves are copied as a whole. */
static void put_qp(struct transfer *t, struct str *out, struct span in)
{
	for (size_t i = 0; i < in.n;) {
		size_t start = i;
		while (i < in.n && in.p[i] > ' ' && in.p[i] != '=')
			i++;
		if (i - start > 1 && !(t->nheld && t->held[0] == '=')) {
			flush_held(t, out);
			str_add(out, in.p + start, i - start);
			continue;
		}
		qp_octet(t, out, in.p[start]);
		i = start + 1;
	}
}

void transfer_put(struct transfer *t, struct str *out, struct span in)
{
	if (t->encoding == MIME_BASE64)
		put_base64(t, out, in);
	else if (t->encoding == MIME_QP)
		put_qp(t, out, in);
	else
		str_add_span(out, in);
}

void transfer_end(struct transfer *t, struct str *out)
{
	if (t->nheld && (t->held[0] != '=' || t->nheld == 2))
		flush_held(t, out);
	*t = (struct transfer){.encoding = t->encoding};
}

void transfer_put_base64(struct str *out, struct span bytes)
{
	for (size_t at = 0; at < bytes.n; at += 57) {
		size_t n = bytes.n - at < 57 ? bytes.n - at : 57;
		base64_put(out, span_make(bytes.p + at, n));
		str_puts(out, "\r\n");
	}
}

static bool qp_is_plain(struct span text, size_t i)
{
	unsigned char c = (unsigned char)text.p[i];
	bool at_end = i + 1 == text.n || text.p[i + 1] == '\n' ||
		      (text.p[i + 1] == '\r' && i + 2 < text.n && text.p[i + 2] == '\n');
	if (c == ' ' || c == '\t')
		return !at_end;
	return c > ' ' && c < 0x7f && c != '=';
}

void transfer_put_qp(struct str *out, struct span text)
{
	size_t column = 0;
	for (size_t i = 0; i < text.n; i++) {
		unsigned char c = (unsigned char)text.p[i];
		if (c == '\n' || (c == '\r' && i + 1 < text.n && text.p[i + 1] == '\n')) {
			str_puts(out, "\r\n");
			i += c == '\r';
			column = 0;
			continue;
		}
		bool plain = qp_is_plain(text, i);
		if (column + (plain ? 1 : 3) > 75) {
			str_puts(out, "=\r\n");
			column = 0;
		}
		if (plain)
			str_putc(out, (char)c);
		else
			str_printf(out, "=%02X", c);
		column += plain ? 1 : 3;
	}
}
