#include "admin/wrap.h"

static void put_words(
	struct str *out, const char *text, const char *prefix, size_t column, size_t width)
{
	struct span rest = span_of(text), word;
	bool first = true;
	while (span_split(&rest, ' ', &word)) {
		if (!first && column + 1 + word.n > width) {
			str_printf(out, "\n%s", prefix);
			column = strlen(prefix);
			first = true;
		}
		if (!first)
			str_putc(out, ' ');
		column += word.n + !first;
		str_add_span(out, word);
		first = false;
	}
	str_putc(out, '\n');
}

void wrap_put(struct str *out, const char *text, size_t indent, size_t width)
{
	struct str prefix = STR_INIT;
	str_printf(&prefix, "%*s", (int)indent, "");
	put_words(out, text, str_c(&prefix), indent, width);
	str_fini(&prefix);
}

void wrap_put_prefixed(struct str *out, const char *text, const char *prefix, size_t width)
{
	str_puts(out, prefix);
	put_words(out, text, prefix, strlen(prefix), width);
}
