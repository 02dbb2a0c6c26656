/* Dates and flags in commands. */
#include "imap/parse.h"

#include "base/num.h"
#include "mail/date.h"

static bool take_digits(struct span *s, size_t least, size_t most, uint32_t *v_r)
{
	size_t n = 0;

	while (n < s->n && n < most && ascii_is_digit(s->p[n]))
		n++;
	if (n < least || !num_parse_u32(span_make(s->p, n), UINT32_MAX, v_r))
		return false;
	*s = span_make(s->p + n, s->n - n);
	return true;
}

static bool take_char(struct span *s, char c)
{
	if (!s->n || s->p[0] != c)
		return false;
	*s = span_make(s->p + 1, s->n - 1);
	return true;
}

static bool take_month(struct span *s, int *month_r)
{
	static const char names[12][4] = {
		"Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"};

	for (int i = 0; i < 12 && s->n >= 3; i++)
		if (span_iis(span_make(s->p, 3), names[i])) {
			*month_r = i + 1;
			*s = span_make(s->p + 3, s->n - 3);
			return true;
		}
	return false;
}

bool imap_parse_date(struct imap_parse *c, int64_t *day_r)
{
	struct span s;
	uint32_t day, year;
	int month;

	if (!imap_parse_astring(c, &s))
		return false;
	if (!take_digits(&s, 1, 2, &day) || day < 1 || day > 31 || !take_char(&s, '-') ||
		!take_month(&s, &month) || !take_char(&s, '-') || !take_digits(&s, 4, 4, &year) ||
		s.n)
		return imap_parse_fail(c, "Expected a date like 17-Jul-1996.");
	*day_r = date_days((int)year, month, (int)day);
	return true;
}

bool imap_parse_date_time(struct imap_parse *c, int64_t *utc_s_r, int *zone_min_r)
{
	struct span s;
	struct date date;

	if (!imap_parse_string(c, &s))
		return false;
	if (date_parse_imap(s, &date) < 0)
		return imap_parse_fail(
			c, "Expected a date and time like \"17-Jul-1996 02:44:25 -0700\".");
	*utc_s_r = date.utc_s;
	*zone_min_r = date.zone_min;
	return true;
}

static bool parse_system_flag(struct imap_parse *c, unsigned *flags)
{
	static const struct {
		const char *name;
		enum imap_flags flag;
	} names[] = {
		{"Seen", IMAP_SEEN},
		{"Answered", IMAP_ANSWERED},
		{"Flagged", IMAP_FLAGGED},
		{"Deleted", IMAP_DELETED},
		{"Draft", IMAP_DRAFT},
		{"Recent", IMAP_RECENT},
	};
	struct span name;

	if (!imap_parse_atom(c, &name))
		return false;
	for (size_t i = 0; i < COUNT_OF(names); i++)
		if (span_iis(name, names[i].name)) {
			*flags |= names[i].flag;
			return true;
		}
	return imap_parse_fail(c, "Unknown system flag.");
}

static bool parse_flag(struct imap_parse *c, struct imap_flag_list *list)
{
	struct span word;

	if (imap_parse_skip(c, '\\'))
		return parse_system_flag(c, &list->flags);
	if (!imap_parse_atom(c, &word))
		return false;
	if (word.n > IMAP_KEYWORD_MAX)
		return imap_parse_fail(c, "The keyword is too long.");
	if (list->nkeywords == IMAP_FLAGS_MAX)
		return imap_parse_fail(c, "Too many keywords.");
	for (size_t i = 0; i < list->nkeywords; i++)
		if (span_iis(word, list->keywords[i]))
			return true;
	if (!list->keywords)
		list->keywords = pool_array(c->pool, IMAP_FLAGS_MAX, sizeof(char *));
	list->keywords[list->nkeywords++] = pool_span(c->pool, word);
	return true;
}

bool imap_parse_flag_list(struct imap_parse *c, struct imap_flag_list *list_r)
{
	*list_r = (struct imap_flag_list){0};
	if (!imap_parse_char(c, '('))
		return false;
	while (!imap_parse_skip(c, ')')) {
		if (c->p[-1] != '(' && !imap_parse_space(c))
			return false;
		if (!parse_flag(c, list_r))
			return false;
	}
	return true;
}

bool imap_parse_store_flags(struct imap_parse *c, struct imap_flag_list *list_r)
{
	if (imap_parse_at(c, '('))
		return imap_parse_flag_list(c, list_r) && imap_parse_end(c);
	*list_r = (struct imap_flag_list){0};
	do
		if (!parse_flag(c, list_r))
			return false;
	while (imap_parse_skip(c, ' '));
	return imap_parse_end(c);
}
