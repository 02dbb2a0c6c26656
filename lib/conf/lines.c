#include "conf/lines.h"

static bool is_name_char(char c)
{
	return ascii_is_alnum((unsigned char)c) || c == '-' || c == '_' || c == '.';
}

bool conf_is_name(struct span s)
{
	for (size_t i = 0; i < s.n; i++)
		if (!is_name_char(s.p[i]))
			return false;
	return s.n > 0;
}

static enum conf_line_kind classify(struct span raw, struct conf_line *l)
{
	struct span text = span_trim(raw);
	size_t eq = span_index(text, 0, '=');
	l->value = text;
	if (!text.n)
		return CONF_LINE_BLANK;
	if (text.p[0] == '#')
		return CONF_LINE_COMMENT;
	if (raw.p[0] == ' ' || raw.p[0] == '\t')
		return CONF_LINE_MORE;
	if (text.p[0] == '[' && text.p[text.n - 1] == ']') {
		l->name = span_trim(span_make(text.p + 1, text.n - 2));
		return CONF_LINE_SECTION;
	}
	if (eq == text.n)
		return CONF_LINE_BAD;
	l->name = span_trim(span_make(text.p, eq));
	l->value = span_trim(span_make(text.p + eq + 1, text.n - eq - 1));
	return CONF_LINE_ENTRY;
}

bool conf_scan_next(struct conf_scan *scan, struct conf_line *line_r)
{
	size_t end = span_index(scan->rest, 0, '\n');
	if (!scan->rest.n)
		return false;
	size_t n = end < scan->rest.n ? end + 1 : end;
	*line_r = (struct conf_line){.line = ++scan->line, .whole = span_make(scan->rest.p, n)};
	line_r->kind = classify(span_make(scan->rest.p, end), line_r);
	scan->rest = span_make(scan->rest.p + n, scan->rest.n - n);
	return true;
}
