#include "imap/fetch.h"

#include "base/num.h"
#include "imap/put.h"
#include "mail/summary.h"

static const struct fetch_word {
	const char *name;
	unsigned items;
} fetch_words[], fetch_macros[];

typedef ARRAY(struct fetch_section) section_list;

static bool parse_names(struct imap_parse *c, struct fetch_section *s, struct str *label)
{
	ARRAY(struct span) names = ARRAY_IN(c->pool);

	s->kept = s->section.depth == 0 && s->fields == FETCH_FIELDS;
	if (!imap_parse_space(c) || !imap_parse_char(c, '('))
		return false;
	str_puts(label, " (");
	do {
		struct span name;
		if (!imap_parse_astring(c, &name))
			return false;
		if (names.n == IMAP_FIELDS_MAX)
			return imap_parse_fail(c, "Too many header fields.");
		if (names.n)
			str_putc(label, ' ');
		imap_put_astring(label, name);
		*array_add(&names) = name;
		int kept = summary_field_of(name);
		if (kept < 0)
			s->kept = false;
		else
			s->kept_mask |= 1u << kept;
	} while (imap_parse_skip(c, ' '));
	str_putc(label, ')');
	s->names = names.v;
	s->nnames = names.n;
	return imap_parse_char(c, ')');
}

static bool parse_partial(struct imap_parse *c, struct fetch_section *s, struct str *label)
{
	if (!imap_parse_skip(c, '<'))
		return true;
	if (!imap_parse_number(c, UINT64_MAX / 2, &s->from) || !imap_parse_char(c, '.') ||
		!imap_parse_number(c, UINT64_MAX / 2, &s->count) || !imap_parse_char(c, '>'))
		return false;
	if (s->count == 0)
		return imap_parse_fail(c, "A partial fetch of nothing.");
	s->partial = true;
	str_putc(label, '<');
	str_put_u64(label, s->from);
	str_putc(label, '>');
	return true;
}

/* What follows "BODY[" or "BODY.PEEK[". */
static bool parse_section(struct imap_parse *c, bool peek, section_list *list)
{
	struct str label = STR_IN(c->pool);
	struct fetch_section s = {.seen = !peek};
	const char *from = c->p;
	int fields = 0;

	while (c->p < c->end && (ascii_is_alnum(*c->p) || *c->p == '.'))
		c->p++;
	struct span text = span_make(from, (size_t)(c->p - from));
	if (section_parse(text, &s.section, &fields) < 0)
		return imap_parse_fail(c, "Unknown body section.");
	s.fields = fields == 1 ? FETCH_FIELDS : fields == 2 ? FETCH_FIELDS_NOT : FETCH_WHOLE;
	str_puts(&label, "BODY[");
	str_add_span(&label, text);
	if (s.fields != FETCH_WHOLE && !parse_names(c, &s, &label))
		return false;
	str_putc(&label, ']');
	if (!imap_parse_char(c, ']') || !parse_partial(c, &s, &label))
		return false;
	if (list->n == IMAP_SECTIONS_MAX)
		return imap_parse_fail(c, "Too many body sections.");
	s.label = str_span(&label);
	*array_add(list) = s;
	return true;
}

/* RFC822 and its parts are sections under an old name. */
static bool parse_old(struct imap_parse *c, struct span word, section_list *list)
{
	static const struct {
		const char *name;
		enum section_what what;
		bool seen;
	} olds[] = {
		{"RFC822", SECTION_ALL, true},
		{"RFC822.HEADER", SECTION_HEADER, false},
		{"RFC822.TEXT", SECTION_TEXT, true},
	};

	for (size_t i = 0; i < COUNT_OF(olds); i++) {
		if (!span_iis(word, olds[i].name))
			continue;
		if (list->n == IMAP_SECTIONS_MAX)
			return imap_parse_fail(c, "Too many body sections.");
		*array_add(list) = (struct fetch_section){
			.section = {.what = olds[i].what},
			.seen = olds[i].seen,
			.label = span_of(olds[i].name),
		};
		return true;
	}
	return imap_parse_fail(c, "Unknown FETCH item.");
}

static struct span item_word(struct imap_parse *c)
{
	const char *from = c->p;

	while (c->p < c->end && (ascii_is_alnum(*c->p) || *c->p == '.'))
		c->p++;
	return span_make(from, (size_t)(c->p - from));
}

static bool parse_item(struct imap_parse *c, struct fetch *f, section_list *list)
{
	struct span word = item_word(c);

	if (imap_parse_at(c, '[')) {
		bool peek = span_iis(word, "BODY.PEEK");
		if (!peek && !span_iis(word, "BODY"))
			return imap_parse_fail(c, "Unknown FETCH item.");
		c->p++;
		return parse_section(c, peek, list);
	}
	for (const struct fetch_word *w = fetch_words; w->name; w++)
		if (span_iis(word, w->name)) {
			f->items |= w->items;
			return true;
		}
	if (!word.n)
		return imap_parse_fail(c, "Expected a FETCH item.");
	return parse_old(c, word, list);
}

static bool parse_macro(struct imap_parse *c, struct fetch *f)
{
	for (const struct fetch_word *w = fetch_macros; w->name; w++)
		if (imap_parse_skip_word(c, w->name)) {
			f->items = w->items;
			return true;
		}
	return false;
}

bool imap_parse_fetch(struct imap_parse *c, struct fetch *fetch_r)
{
	section_list list = ARRAY_IN(c->pool);

	*fetch_r = (struct fetch){0};
	if (imap_parse_skip(c, '(')) {
		do
			if (!parse_item(c, fetch_r, &list))
				return false;
		while (imap_parse_skip(c, ' '));
		if (!imap_parse_char(c, ')'))
			return false;
	} else if (!parse_macro(c, fetch_r) && !parse_item(c, fetch_r, &list)) {
		return false;
	}
	fetch_r->sections = list.v;
	fetch_r->nsections = list.n;
	for (size_t i = 0; i < list.n; i++)
		fetch_r->seen |= list.v[i].seen;
	return !c->err;
}

static const struct fetch_word fetch_words[] = {
	{"UID", FETCH_UID},
	{"FLAGS", FETCH_FLAGS},
	{"INTERNALDATE", FETCH_INTERNALDATE},
	{"RFC822.SIZE", FETCH_SIZE},
	{"ENVELOPE", FETCH_ENVELOPE},
	{"BODY", FETCH_BODY},
	{"BODYSTRUCTURE", FETCH_BODYSTRUCTURE},
	{NULL, 0},
};

static const struct fetch_word fetch_macros[] = {
	{"ALL", FETCH_FLAGS | FETCH_INTERNALDATE | FETCH_SIZE | FETCH_ENVELOPE},
	{"FAST", FETCH_FLAGS | FETCH_INTERNALDATE | FETCH_SIZE},
	{"FULL", FETCH_FLAGS | FETCH_INTERNALDATE | FETCH_SIZE | FETCH_ENVELOPE | FETCH_BODY},
	{NULL, 0},
};
