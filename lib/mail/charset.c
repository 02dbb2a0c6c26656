#include "mail/charset.h"

#include <errno.h>
#include <iconv.h>

#include "base/array.h"
#include "base/utf8.h"

enum charset_how { HOW_UTF8, HOW_WINDOWS_1252, HOW_ICONV };

struct charset {
	enum charset_how how;
	iconv_t cd;
	size_t nheld;
	char held[16]; /* the start of a character that the next call completes */
};

struct charset_row {
	const char *name;  /* lower case */
	const char *iconv; /* NULL: built in */
	enum charset_how how;
};

static const struct charset_row charset_rows[];

/* Only names of the table reach iconv: some of its converters, chosen by a message, have been ways
 * to crash a reader. */
static const struct charset_row *find_row(struct span name)
{
	char low[CHARSET_NAME_MAX + 1];
	name = span_trim(name);
	if (!name.n || name.n > CHARSET_NAME_MAX)
		return NULL;
	for (size_t i = 0; i < name.n; i++)
		low[i] = (char)(name.p[i] == '_' ? '-' : ascii_lower(name.p[i]));
	low[name.n] = '\0';
	for (const struct charset_row *r = charset_rows; r->name; r++)
		if (strcmp(r->name, low) == 0)
			return r;
	return NULL;
}

struct charset *charset_open(struct span name)
{
	const struct charset_row *row = find_row(name);
	iconv_t cd = (iconv_t)-1;
	if (!row)
		return NULL;
	if (row->how == HOW_ICONV && (cd = iconv_open("UTF-8", row->iconv)) == (iconv_t)-1)
		return NULL;
	struct charset *cs = mem_new(struct charset);
	cs->how = row->how;
	cs->cd = cd;
	return cs;
}

void charset_close(struct charset **cs)
{
	if (!*cs)
		return;
	if ((*cs)->how == HOW_ICONV)
		iconv_close((*cs)->cd);
	mem_free(cs);
}

bool charset_is_known(struct span name)
{
	return find_row(name) != NULL;
}

static void put_windows_1252(struct str *out, struct span in)
{
	/* 0x80 to 0x9f; what is not assigned stays the control it is in ISO-8859-1. */
	static const uint16_t high[32] = {0x20ac, 0x81, 0x201a, 0x0192, 0x201e, 0x2026, 0x2020,
		0x2021, 0x02c6, 0x2030, 0x0160, 0x2039, 0x0152, 0x8d, 0x017d, 0x8f, 0x90, 0x2018,
		0x2019, 0x201c, 0x201d, 0x2022, 0x2013, 0x2014, 0x02dc, 0x2122, 0x0161, 0x203a,
		0x0153, 0x9d, 0x017e, 0x0178};
	for (size_t i = 0, from = 0; i <= in.n; i++) {
		unsigned char c = i < in.n ? (unsigned char)in.p[i] : 0x80;
		if (c < 0x80)
			continue;
		str_add(out, in.p + from, i - from);
		from = i + 1;
		if (i < in.n)
			utf8_put(out, c < 0xa0 ? high[c - 0x80] : c);
	}
}

/* How many octets at the end are the start of a character that isn't complete. */
static size_t utf8_tail(struct span in)
{
	for (size_t back = 1; back <= 3 && back <= in.n; back++) {
		unsigned char c = (unsigned char)in.p[in.n - back];
		if (c >= 0xc0)
			return back < (c >= 0xf0 ? 4u : c >= 0xe0 ? 3u : 2u) ? back : 0;
		if (c < 0x80)
			return 0;
	}
	return 0;
}

/* Converts what it can and returns how many octets at the end wait for more. */
static size_t put_iconv(struct charset *cs, struct str *out, struct span in)
{
	char *src = (char *)in.p;
	size_t left = in.n;
	while (left) {
		char block[1024], *dst = block;
		size_t room = sizeof(block);
		size_t rc = iconv(cs->cd, &src, &left, &dst, &room);
		utf8_put_clean(out, span_make(block, sizeof(block) - room));
		if (rc != (size_t)-1 || errno == E2BIG)
			continue;
		if (errno == EINVAL && left < sizeof(cs->held))
			return left;
		utf8_put(out, 0xfffd);
		src++;
		left--;
	}
	return 0;
}

static size_t put_some(struct charset *cs, struct str *out, struct span in)
{
	if (cs->how == HOW_ICONV)
		return put_iconv(cs, out, in);
	if (cs->how == HOW_WINDOWS_1252) {
		put_windows_1252(out, in);
		return 0;
	}
	size_t tail = utf8_tail(in);
	utf8_put_clean(out, span_make(in.p, in.n - tail));
	return tail;
}

static void hold(struct charset *cs, struct span in, size_t tail)
{
	if (tail)
		memmove(cs->held, in.p + in.n - tail, tail);
	cs->nheld = tail;
}

void charset_put(struct charset *cs, struct str *out, struct span in, bool end)
{
	while (cs->nheld && in.n) {
		cs->held[cs->nheld++] = *in.p;
		in = span_make(in.p + 1, in.n - 1);
		struct span held = span_make(cs->held, cs->nheld);
		hold(cs, held, put_some(cs, out, held));
	}
	if (in.n)
		hold(cs, in, put_some(cs, out, in));
	if (end && cs->nheld) {
		utf8_put(out, 0xfffd);
		cs->nheld = 0;
	}
	if (end && cs->how == HOW_ICONV)
		iconv(cs->cd, NULL, NULL, NULL, NULL);
}

bool charset_put_utf8(struct str *out, struct span name, struct span text)
{
	const struct charset_row *row = find_row(name);
	struct charset *cs = row && row->how == HOW_ICONV ? charset_open(name) : NULL;
	if (cs) {
		charset_put(cs, out, text, true);
		charset_close(&cs);
		return true;
	}
	bool declared = row && row->how == HOW_WINDOWS_1252;
	if (!declared && utf8_is_valid(text))
		str_add_span(out, text);
	else
		put_windows_1252(out, text);
	return row && row->how != HOW_ICONV;
}

void charset_warm(void)
{
	for (const struct charset_row *r = charset_rows; r->name; r++) {
		struct charset *cs = charset_open(span_of(r->name));
		struct str out = STR_INIT;
		if (cs)
			charset_put(cs, &out, SPAN_LIT("a"), true);
		str_fini(&out);
		charset_close(&cs);
	}
}

/* ISO-8859-1 is read as windows-1252, which is what those who say the one have written. US-ASCII
 * is read as UTF-8 for the same reason. '_' in names is '-' here. */
static const struct charset_row charset_rows[] = {
	{"utf-8", NULL, HOW_UTF8},
	{"utf8", NULL, HOW_UTF8},
	{"us-ascii", NULL, HOW_UTF8},
	{"ascii", NULL, HOW_UTF8},
	{"ansi-x3.4-1968", NULL, HOW_UTF8},
	{"iso-8859-1", NULL, HOW_WINDOWS_1252},
	{"iso8859-1", NULL, HOW_WINDOWS_1252},
	{"latin1", NULL, HOW_WINDOWS_1252},
	{"windows-1252", NULL, HOW_WINDOWS_1252},
	{"cp1252", NULL, HOW_WINDOWS_1252},
	{"iso-8859-2", "ISO-8859-2", HOW_ICONV},
	{"iso-8859-3", "ISO-8859-3", HOW_ICONV},
	{"iso-8859-4", "ISO-8859-4", HOW_ICONV},
	{"iso-8859-5", "ISO-8859-5", HOW_ICONV},
	{"iso-8859-6", "ISO-8859-6", HOW_ICONV},
	{"iso-8859-7", "ISO-8859-7", HOW_ICONV},
	{"iso-8859-8", "ISO-8859-8", HOW_ICONV},
	{"iso-8859-8-i", "ISO-8859-8", HOW_ICONV},
	{"iso-8859-9", "ISO-8859-9", HOW_ICONV},
	{"iso-8859-10", "ISO-8859-10", HOW_ICONV},
	{"iso-8859-13", "ISO-8859-13", HOW_ICONV},
	{"iso-8859-14", "ISO-8859-14", HOW_ICONV},
	{"iso-8859-15", "ISO-8859-15", HOW_ICONV},
	{"iso-8859-16", "ISO-8859-16", HOW_ICONV},
	{"windows-1250", "CP1250", HOW_ICONV},
	{"windows-1251", "CP1251", HOW_ICONV},
	{"cp1251", "CP1251", HOW_ICONV},
	{"windows-1253", "CP1253", HOW_ICONV},
	{"windows-1254", "CP1254", HOW_ICONV},
	{"windows-1255", "CP1255", HOW_ICONV},
	{"windows-1256", "CP1256", HOW_ICONV},
	{"windows-1257", "CP1257", HOW_ICONV},
	{"windows-1258", "CP1258", HOW_ICONV},
	{"windows-874", "CP874", HOW_ICONV},
	{"tis-620", "TIS-620", HOW_ICONV},
	{"koi8-r", "KOI8-R", HOW_ICONV},
	{"koi8-u", "KOI8-U", HOW_ICONV},
	{"macintosh", "MACINTOSH", HOW_ICONV},
	{"x-mac-roman", "MACINTOSH", HOW_ICONV},
	{"ibm437", "IBM437", HOW_ICONV},
	{"ibm850", "IBM850", HOW_ICONV},
	{"ibm852", "IBM852", HOW_ICONV},
	{"ibm866", "IBM866", HOW_ICONV},
	{"gb2312", "GBK", HOW_ICONV},
	{"gbk", "GBK", HOW_ICONV},
	{"x-gbk", "GBK", HOW_ICONV},
	{"cp936", "GBK", HOW_ICONV},
	{"gb18030", "GB18030", HOW_ICONV},
	{"big5", "BIG5", HOW_ICONV},
	{"big5-hkscs", "BIG5-HKSCS", HOW_ICONV},
	{"euc-kr", "CP949", HOW_ICONV},
	{"ks-c-5601-1987", "CP949", HOW_ICONV},
	{"cp949", "CP949", HOW_ICONV},
	{"shift-jis", "CP932", HOW_ICONV},
	{"sjis", "CP932", HOW_ICONV},
	{"x-sjis", "CP932", HOW_ICONV},
	{"windows-31j", "CP932", HOW_ICONV},
	{"euc-jp", "EUC-JP", HOW_ICONV},
	{"iso-2022-jp", "ISO-2022-JP", HOW_ICONV},
	{"iso-2022-kr", "ISO-2022-KR", HOW_ICONV},
	{"utf-7", "UTF-7", HOW_ICONV},
	{"utf-16", "UTF-16", HOW_ICONV},
	{"utf-16le", "UTF-16LE", HOW_ICONV},
	{"utf-16be", "UTF-16BE", HOW_ICONV},
	{NULL, NULL, 0},
};
