#include "imap/list.h"

#include "base/str.h"

bool imap_parse_status_items(struct imap_parse *c, unsigned *items_r)
{
	static const struct {
		const char *name;
		enum status_item item;
	} names[] = {
		{"MESSAGES", STATUS_MESSAGES},
		{"RECENT", STATUS_RECENT},
		{"UIDNEXT", STATUS_UIDNEXT},
		{"UIDVALIDITY", STATUS_UIDVALIDITY},
		{"UNSEEN", STATUS_UNSEEN},
	};
	struct span word;

	*items_r = 0;
	if (!imap_parse_char(c, '('))
		return false;
	do {
		size_t i = 0;
		if (!imap_parse_atom(c, &word))
			return false;
		while (i < COUNT_OF(names) && !span_iis(word, names[i].name))
			i++;
		if (i == COUNT_OF(names))
			return imap_parse_fail(c, "Unknown STATUS item.");
		*items_r |= names[i].item;
	} while (imap_parse_skip(c, ' '));
	return imap_parse_char(c, ')');
}

/* One of RFC 5258's options; 0 when it is none of ours. REMOTE asks for nothing here: there are
 * no remote mailboxes. */
static bool parse_option(struct imap_parse *c, const char *allowed, unsigned *options)
{
	static const struct {
		const char *name;
		unsigned option;
		char kind; /* r: a return option too */
	} names[] = {
		{"SUBSCRIBED", LIST_SUBSCRIBED, 'r'},
		{"SPECIAL-USE", LIST_SPECIAL_USE, 'r'},
		{"RECURSIVEMATCH", LIST_RECURSIVE, 's'},
		{"REMOTE", 0, 's'},
		{"CHILDREN", LIST_CHILDREN, 'c'},
	};
	struct span word;

	if (!imap_parse_atom(c, &word))
		return false;
	for (size_t i = 0; i < COUNT_OF(names); i++)
		if (strchr(allowed, names[i].kind) && span_iis(word, names[i].name)) {
			*options |= names[i].option;
			return true;
		}
	return imap_parse_fail(c, "Unknown LIST option.");
}

static bool parse_select(struct imap_parse *c, struct imap_list *l)
{
	if (!imap_parse_skip(c, '('))
		return true;
	l->extended = true;
	if (!imap_parse_skip(c, ')')) {
		do
			if (!parse_option(c, "rs", &l->select))
				return false;
		while (imap_parse_skip(c, ' '));
		if (!imap_parse_char(c, ')'))
			return false;
	}
	if (l->select & LIST_RECURSIVE && !(l->select & ~(unsigned)LIST_RECURSIVE))
		return imap_parse_fail(c, "RECURSIVEMATCH needs another option.");
	return imap_parse_space(c);
}

static bool parse_return(struct imap_parse *c, struct imap_list *l)
{
	if (!imap_parse_skip(c, ' '))
		return true;
	l->extended = true;
	if (!imap_parse_skip_word(c, "RETURN"))
		return imap_parse_fail(c, "Expected RETURN.");
	if (!imap_parse_space(c) || !imap_parse_char(c, '('))
		return false;
	if (imap_parse_skip(c, ')'))
		return true;
	do {
		if (imap_parse_skip_word(c, "STATUS")) {
			if (!imap_parse_space(c) || !imap_parse_status_items(c, &l->status))
				return false;
		} else if (!parse_option(c, "rc", &l->ret)) {
			return false;
		}
	} while (imap_parse_skip(c, ' '));
	return imap_parse_char(c, ')');
}

/* Reference and pattern joined. A pattern that decodes to no name stays out of the list. */
static bool parse_pattern(struct imap_parse *c, struct span reference, struct imap_list *l)
{
	struct str whole = STR_IN(c->pool);
	struct span pattern;
	const char *name;

	if (!imap_parse_list_mailbox(c, &pattern))
		return false;
	if (reference.n + pattern.n > IMAP_PATTERN_MAX)
		return imap_parse_fail(c, "The pattern is too long.");
	if (pattern.n == 0 && !l->extended)
		l->delimiter = true;
	/* A pattern from the root ignores the reference. */
	if (pattern.n && pattern.p[0] == c->separator)
		pattern = span_make(pattern.p + 1, pattern.n - 1);
	else
		str_add_span(&whole, reference);
	str_add_span(&whole, pattern);
	if (imap_mailbox_name(c, str_span(&whole), &name) && whole.len)
		l->patterns[l->npatterns++] = name;
	return true;
}

static bool parse_patterns(struct imap_parse *c, struct span reference, bool plain,
	struct imap_list *l)
{
	l->patterns = pool_array(c->pool, IMAP_PATTERNS_MAX, sizeof(char *));
	if (plain || !imap_parse_skip(c, '('))
		return parse_pattern(c, reference, l);
	l->extended = true;
	do {
		if (l->npatterns == IMAP_PATTERNS_MAX)
			return imap_parse_fail(c, "Too many patterns.");
		if (!parse_pattern(c, reference, l))
			return false;
	} while (imap_parse_skip(c, ' '));
	return imap_parse_char(c, ')');
}

bool imap_parse_list(struct imap_parse *c, bool plain, struct imap_list *list_r)
{
	struct span reference;

	*list_r = (struct imap_list){0};
	return (plain || parse_select(c, list_r)) && imap_parse_astring(c, &reference) &&
	       imap_parse_space(c) && parse_patterns(c, reference, plain, list_r) &&
	       (plain || parse_return(c, list_r)) && imap_parse_end(c);
}
