/* Changing one parameter in the text of a file, as an administrator's editor would: nothing else
 * moves. */
#include "conf/conf.h"

#include "conf/lines.h"

/* Where an entry is, or would go. Offsets into the text. */
struct place {
	size_t start, end; /* the entry's lines; equal when there is none */
	bool has_section, has_entry;
};

static struct place find_place(struct span text, const char *section, const char *name)
{
	struct conf_scan scan = {.rest = text};
	struct conf_line l;
	struct place at = {.has_section = !section[0]};
	bool here = !section[0], in_entry = false;

	while (conf_scan_next(&scan, &l)) {
		size_t start = (size_t)(l.whole.p - text.p), end = start + l.whole.n;
		if (l.kind == CONF_LINE_SECTION) {
			here = span_is(l.name, section);
			in_entry = false;
			at.has_section |= here;
		} else if (l.kind == CONF_LINE_ENTRY) {
			in_entry = here && span_is(l.name, name);
			if (in_entry)
				at = (struct place){start, end, true, true};
		} else if (l.kind == CONF_LINE_MORE && in_entry) {
			at.end = end;
		} else if (l.kind == CONF_LINE_BLANK) {
			in_entry = false;
		}
		/* A new entry goes behind the last line of its section that says something. */
		if (here && !at.has_entry && l.kind != CONF_LINE_BLANK)
			at.start = at.end = end;
	}
	return at;
}

/* A line end in a value would make lines of its own. */
static void put_entry(struct str *out, const char *name, const char *value)
{
	str_printf(out, "%s = ", name);
	for (; *value; value++)
		str_putc(out, *value == '\n' || *value == '\r' ? ' ' : *value);
	str_putc(out, '\n');
}

void conf_edit(struct str *text, const char *section, const char *name, const char *value)
{
	struct str out = {.pool = text->pool};
	struct place at = find_place(str_span(text), section, name);

	if (!at.has_section)
		at.start = at.end = text->len;
	str_add(&out, text->s, at.start);
	if (out.len && out.s[out.len - 1] != '\n')
		str_putc(&out, '\n');
	if (!at.has_section)
		str_printf(&out, "%s[%s]\n", out.len ? "\n" : "", section);
	put_entry(&out, name, value);
	if (at.end < text->len)
		str_add(&out, text->s + at.end, text->len - at.end);
	str_fini(text);
	*text = out;
}
