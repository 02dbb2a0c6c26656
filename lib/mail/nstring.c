#include "mail/nstring.h"

/* Longer strings are literals: some clients read lines into small buffers. */
#define QUOTED_MAX 2048

enum { OCTET_ESCAPE = 1, OCTET_FOLD = 2, OCTET_8BIT = 4, OCTET_NUL = 8 };

static unsigned octet_class(unsigned char c)
{
	if (c >= 0x80)
		return OCTET_8BIT;
	if (c == '"' || c == '\\')
		return OCTET_ESCAPE;
	if (c == '\r' || c == '\n')
		return OCTET_FOLD;
	return c ? 0 : OCTET_NUL;
}

static unsigned classes_of(struct span s)
{
	unsigned all = 0;
	for (size_t i = 0; i < s.n; i++)
		all |= octet_class((unsigned char)s.p[i]);
	return all;
}

/* Line ends and the white space around them become one space, NUL vanishes. */
static struct span unfold(struct str *to, struct span s)
{
	for (size_t i = 0; i < s.n; i++) {
		if (s.p[i] == '\r' || s.p[i] == '\n') {
			while (i + 1 < s.n && strchr("\r\n\t ", s.p[i + 1]) && s.p[i + 1])
				i++;
			while (to->len && (to->s[to->len - 1] == ' ' || to->s[to->len - 1] == '\t'))
				str_truncate(to, to->len - 1);
			str_putc(to, ' ');
		} else if (s.p[i]) {
			str_putc(to, s.p[i]);
		}
	}
	return str_span(to);
}

static void put_literal(struct str *out, struct span s)
{
	str_putc(out, '{');
	str_put_u64(out, s.n);
	str_puts(out, "}\r\n");
	str_add_span(out, s);
}

static void put_quoted(struct str *out, struct span s, bool escape)
{
	str_putc(out, '"');
	if (!escape)
		str_add_span(out, s);
	for (size_t i = 0; escape && i < s.n; i++) {
		if (s.p[i] == '"' || s.p[i] == '\\')
			str_putc(out, '\\');
		str_putc(out, s.p[i]);
	}
	str_putc(out, '"');
}

void nstring_put(struct str *out, struct span s)
{
	struct str unfolded = STR_INIT;
	if (!s.p) {
		str_puts(out, "NIL");
		return;
	}
	unsigned classes = classes_of(s);
	if (classes & (OCTET_FOLD | OCTET_NUL))
		s = unfold(&unfolded, s);
	if ((classes & OCTET_8BIT) || s.n > QUOTED_MAX)
		put_literal(out, s);
	else
		put_quoted(out, s, classes & OCTET_ESCAPE);
	str_fini(&unfolded);
}
