#include "mail/date.h"

#include <stdlib.h>
#include <time.h>

#include "base/clock.h"

static const char *const month_names[12] = {
	"Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"};
static const char *const day_names[7] = {"Sun", "Mon", "Tue", "Wed", "Thu", "Fri", "Sat"};

/* Howard Hinnant's algorithm: years start in March, so that the leap day is the last. */
int64_t date_days(int year, int month, int day)
{
	int64_t y = (int64_t)year - (month <= 2);
	int64_t era = (y >= 0 ? y : y - 399) / 400, of_era = y - era * 400;
	int64_t of_year = (153 * (month + (month > 2 ? -3 : 9)) + 2) / 5 + day - 1;
	return era * 146097 + of_era * 365 + of_era / 4 - of_era / 100 + of_year - 719468;
}

struct civil {
	int year, month, day, hour, minute, second, weekday;
};

static int64_t floor_div(int64_t a, int64_t b)
{
	return a / b - (a % b < 0);
}

/* What the clock shows in the date's own zone. */
static struct civil civil_of(const struct date *date)
{
	int64_t local = date->utc_s + (int64_t)date->zone_min * 60;
	int64_t days = floor_div(local, 86400), z = days + 719468, second = local - days * 86400;
	int64_t era = floor_div(z, 146097), of_era = z - era * 146097;
	int64_t year = (of_era - of_era / 1460 + of_era / 36524 - of_era / 146096) / 365;
	int64_t of_year = of_era - (365 * year + year / 4 - year / 100);
	int64_t m = (5 * of_year + 2) / 153;
	int month = (int)(m < 10 ? m + 3 : m - 9);
	return (struct civil){
		.year = (int)(year + era * 400 + (month <= 2)),
		.month = month,
		.day = (int)(of_year - (153 * m + 2) / 5 + 1),
		.hour = (int)(second / 3600),
		.minute = (int)(second / 60 % 60),
		.second = (int)(second % 60),
		.weekday = (int)(((days + 4) % 7 + 7) % 7),
	};
}

int64_t date_local_day(const struct date *date)
{
	return floor_div(date->utc_s + (int64_t)date->zone_min * 60, 86400);
}

static int days_in(int year, int month)
{
	return (int)(month == 12 ? 31 : date_days(year, month + 1, 1) - date_days(year, month, 1));
}

/* 0, or -1 when the clock never shows that. */
static int make_date(const struct civil *c, int zone_min, struct date *date_r)
{
	if (c->month < 1 || c->month > 12 || c->day < 1 || c->day > days_in(c->year, c->month) ||
		c->hour > 23 || c->minute > 59 || c->second > 60)
		return -1;
	date_r->zone_min = zone_min;
	date_r->utc_s = date_days(c->year, c->month, c->day) * 86400 + c->hour * 3600 +
			c->minute * 60 + c->second - (int64_t)zone_min * 60;
	return 0;
}

/* A cursor that skips white space and comments in front of each token. */
struct tokens {
	const char *p, *end;
};

static void skip_space(struct tokens *t)
{
	int depth = 0;
	for (; t->p < t->end; t->p++) {
		char c = *t->p;
		if (c == '(')
			depth++;
		else if (c == ')' && depth)
			depth--;
		else if (!depth && c != ' ' && c != '\t' && c != '\r' && c != '\n' && c != ',')
			break;
	}
}

/* -1 when no number of at most max digits stands here. */
static int take_number(struct tokens *t, int max, int *digits_r)
{
	int v = 0, n = 0;
	while (t->p < t->end && ascii_is_digit(*t->p) && n <= max) {
		v = v * 10 + (*t->p++ - '0');
		n++;
	}
	*digits_r = n;
	return n && n <= max ? v : -1;
}

static bool take_char(struct tokens *t, char c)
{
	if (t->p < t->end && *t->p == c) {
		t->p++;
		return true;
	}
	return false;
}

static struct span take_alpha(struct tokens *t)
{
	const char *start = t->p;
	while (t->p < t->end && ascii_is_alpha(*t->p))
		t->p++;
	return span_make(start, (size_t)(t->p - start));
}

/* 1-12 by the first three letters, 0 none. */
static int month_of(struct span word)
{
	for (int i = 0; i < 12 && word.n >= 3; i++)
		if (span_ieq(span_make(word.p, 3), span_of(month_names[i])))
			return i + 1;
	return 0;
}

/* "21 Nov 1997", "21-Nov-97" or "Nov 21". */
static int take_day_month(struct tokens *t, struct civil *c)
{
	int n;
	skip_space(t);
	if (t->p < t->end && ascii_is_alpha(*t->p)) {
		c->month = month_of(take_alpha(t));
		skip_space(t);
		c->day = take_number(t, 2, &n);
	} else {
		c->day = take_number(t, 2, &n);
		take_char(t, '-');
		skip_space(t);
		c->month = month_of(take_alpha(t));
		take_char(t, '.');
		take_char(t, '-');
	}
	return c->day > 0 && c->month ? 0 : -1;
}

/* Two and three digits as RFC 5322 4.3 has it. */
static int take_year(struct tokens *t, struct civil *c)
{
	int n;
	skip_space(t);
	c->year = take_number(t, 4, &n);
	if (n == 2)
		c->year += c->year < 50 ? 2000 : 1900;
	else if (n == 3)
		c->year += 1900;
	return c->year >= 0 && n >= 2 ? 0 : -1;
}

static int take_time(struct tokens *t, struct civil *c)
{
	int n;
	skip_space(t);
	c->hour = take_number(t, 2, &n);
	skip_space(t);
	if (c->hour < 0 || !(take_char(t, ':') || take_char(t, '.')))
		return -1;
	skip_space(t);
	c->minute = take_number(t, 2, &n);
	skip_space(t);
	if (take_char(t, ':') || take_char(t, '.')) {
		skip_space(t);
		c->second = take_number(t, 2, &n);
	}
	return c->minute < 0 || c->second < 0 ? -1 : 0;
}

/* RFC 5322 4.3; what isn't known there counts as -0000. */
static int zone_of(struct span word)
{
	static const struct {
		const char *name;
		int hours;
	} zones[] = {{"EST", -5}, {"EDT", -4}, {"CST", -6}, {"CDT", -5}, {"MST", -7}, {"MDT", -6},
		{"PST", -8}, {"PDT", -7}, {"CET", 1}, {"CEST", 2}, {"MET", 1}, {"BST", 1},
		{"JST", 9}};
	for (size_t i = 0; i < sizeof(zones) / sizeof(zones[0]); i++)
		if (span_iis(word, zones[i].name))
			return zones[i].hours * 60;
	return 0;
}

static int take_zone(struct tokens *t)
{
	int n;
	skip_space(t);
	int sign = take_char(t, '-') ? -1 : take_char(t, '+') ? 1 : 0;
	if (!sign)
		return zone_of(take_alpha(t));
	const char *start = t->p;
	int v = take_number(t, 4, &n);
	if (n == 2 && take_char(t, ':')) { /* +01:00 */
		int minutes = take_number(t, 2, &n);
		v = minutes < 0 ? -1 : v * 100 + minutes;
		n = 4;
	}
	if (v < 0 || n < 3 || v % 100 > 59 || v > 2400) {
		t->p = start;
		return 0;
	}
	return sign * (v / 100 * 60 + v % 100);
}

/* The day name in front, if one is there: a word that is no month. */
static void skip_day_name(struct tokens *t)
{
	skip_space(t);
	struct tokens back = *t;
	struct span word = take_alpha(t);
	if (month_of(word))
		*t = back;
	else if (word.n)
		take_char(t, '.');
}

int date_parse(struct span value, struct date *date_r)
{
	struct tokens t = {value.p, value.p + value.n};
	struct civil c = {0};
	skip_day_name(&t);
	if (take_day_month(&t, &c) < 0)
		return -1;
	/* asctime's form has the year behind the time. */
	struct tokens back = t;
	bool year_first = take_year(&t, &c) == 0;
	skip_space(&t);
	if (year_first && t.p < t.end && *t.p == ':')
		year_first = false;
	if (!year_first)
		t = back;
	if (take_time(&t, &c) < 0)
		return -1;
	int zone = 0;
	if (year_first) {
		zone = take_zone(&t);
	} else {
		back = t;
		zone = take_zone(&t);
		if (take_year(&t, &c) < 0) {
			t = back;
			if (take_year(&t, &c) < 0)
				return -1;
			zone = take_zone(&t);
		}
	}
	return make_date(&c, zone, date_r);
}

static void put_zone(struct str *out, int zone_min)
{
	int m = abs(zone_min) % (100 * 60);
	str_printf(out, "%c%02d%02d", zone_min < 0 ? '-' : '+', m / 60, m % 60);
}

void date_put(struct str *out, const struct date *date)
{
	struct civil c = civil_of(date);
	str_printf(out, "%s, %02d %s %04d %02d:%02d:%02d ", day_names[c.weekday], c.day,
		month_names[c.month - 1], c.year, c.hour, c.minute, c.second);
	put_zone(out, date->zone_min);
}

void date_put_imap(struct str *out, const struct date *date)
{
	struct civil c = civil_of(date);
	str_printf(out, "%2d-%s-%04d %02d:%02d:%02d ", c.day, month_names[c.month - 1], c.year,
		c.hour, c.minute, c.second);
	put_zone(out, date->zone_min);
}

struct date date_now(void)
{
	time_t now = (time_t)clock_wall_s();
	struct tm tm;
	localtime_r(&now, &tm);
	return (struct date){now, (int)(tm.tm_gmtoff / 60)};
}

/* Exactly digits digits at s + at. */
static int fixed_number(struct span s, size_t at, int digits)
{
	int v = 0;
	for (int i = 0; i < digits; i++) {
		if (!ascii_is_digit(s.p[at + (size_t)i]))
			return -1;
		v = v * 10 + (s.p[at + (size_t)i] - '0');
	}
	return v;
}

/* "17-Jul-1996 02:44:25 -0700": fixed places. */
int date_parse_imap(struct span s, struct date *date_r)
{
	static const char form[] = "..-...-.... ..:..:.. .....";
	if (s.n != sizeof(form) - 1)
		return -1;
	for (size_t i = 0; i < s.n; i++)
		if (form[i] != '.' && s.p[i] != form[i])
			return -1;
	struct civil c = {
		.day = s.p[0] == ' ' ? fixed_number(s, 1, 1) : fixed_number(s, 0, 2),
		.month = month_of(span_make(s.p + 3, 3)),
		.year = fixed_number(s, 7, 4),
		.hour = fixed_number(s, 12, 2),
		.minute = fixed_number(s, 15, 2),
		.second = fixed_number(s, 18, 2),
	};
	int zone = fixed_number(s, 22, 4);
	if (c.day < 0 || c.year < 0 || c.hour < 0 || c.minute < 0 || c.second < 0 || zone < 0 ||
		zone % 100 > 59 || (s.p[21] != '+' && s.p[21] != '-'))
		return -1;
	zone = zone / 100 * 60 + zone % 100;
	return make_date(&c, s.p[21] == '-' ? -zone : zone, date_r);
}
