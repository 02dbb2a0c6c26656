#include "smtp/reply.h"

#include "base/num.h"

static void put_text(struct str *out, struct span line)
{
	size_t n = num_min(line.n, SMTP_REPLY_TEXT_MAX);
	char *p = str_reserve(out, n);
	for (size_t i = 0; i < n; i++)
		p[i] = (unsigned char)line.p[i] < ' ' || line.p[i] == 0x7f ? '?' : line.p[i];
	p[n] = '\0';
	out->len += n;
}

void smtp_reply_put(struct str *out, unsigned code, const char *status, struct span text)
{
	struct span line;
	const char digits[3] = {(char)('0' + code / 100), (char)('0' + code / 10 % 10),
		(char)('0' + code % 10)};
	if (!text.p)
		text = SPAN_LIT("");
	while (span_split(&text, '\n', &line)) {
		str_add(out, digits, 3);
		str_putc(out, text.p ? '-' : ' ');
		if (status) {
			str_puts(out, status);
			str_putc(out, ' ');
		}
		put_text(out, line);
		str_add(out, "\r\n", 2);
	}
}

size_t smtp_status_length(struct span text)
{
	size_t at = 0;
	if (text.n < 5 || (text.p[0] != '2' && text.p[0] != '4' && text.p[0] != '5'))
		return 0;
	at = 1;
	for (int part = 0; part < 2; part++) {
		size_t digits = 0;
		if (at >= text.n || text.p[at++] != '.')
			return 0;
		while (at < text.n && ascii_is_digit(text.p[at]) && digits < 4)
			at++, digits++;
		if (digits < 1 || digits > 3)
			return 0;
	}
	return at == text.n || text.p[at] == ' ' ? at : 0;
}

void smtp_reply_reset(struct smtp_reply *r)
{
	r->code = r->lines = 0;
	r->status[0] = '\0';
	str_reset(&r->text);
}

static void keep_status(struct smtp_reply *r, struct span text)
{
	size_t n = r->status[0] ? 0 : smtp_status_length(text);
	if (n && n < sizeof(r->status)) {
		memcpy(r->status, text.p, n);
		r->status[n] = '\0';
	}
}

int smtp_reply_add(struct smtp_reply *r, struct span line)
{
	unsigned code = 0;
	if (line.n < 3 || (line.n > 3 && line.p[3] != ' ' && line.p[3] != '-'))
		return -1;
	for (int i = 0; i < 3; i++) {
		if (!ascii_is_digit(line.p[i]))
			return -1;
		code = code * 10 + (unsigned)(line.p[i] - '0');
	}
	if (code < 100 || code > 599 || (r->lines && code != r->code) ||
		r->lines == SMTP_REPLY_LINES_MAX)
		return -1;
	struct span text = line.n > 4 ? span_make(line.p + 4, line.n - 4) : SPAN_LIT("");
	r->code = code;
	keep_status(r, text);
	if (r->lines++ && r->text.len < SMTP_REPLY_KEEP_MAX)
		str_putc(&r->text, '\n');
	str_add(&r->text, text.p,
		num_min(text.n, SMTP_REPLY_KEEP_MAX - num_min(r->text.len, SMTP_REPLY_KEEP_MAX)));
	return line.n == 3 || line.p[3] == ' ';
}

const char *smtp_reply_line(struct pool *pool, const struct smtp_reply *r)
{
	struct str out = STR_IN(pool);
	str_put_u64(&out, r->code);
	str_putc(&out, ' ');
	for (size_t i = 0; i < r->text.len && i < SMTP_REPLY_SAY_MAX; i++) {
		char c = r->text.s[i];
		str_putc(&out, (unsigned char)c < ' ' || c == 0x7f ? ' ' : c);
	}
	return str_c(&out);
}

struct keyword_row {
	const char *name;
	unsigned extension;
	void (*read)(struct smtp_capabilities *caps, struct span args);
};
static const struct keyword_row keyword_rows[];

static void read_size(struct smtp_capabilities *caps, struct span args)
{
	if (!num_parse_u64(args, UINT64_MAX, &caps->size_limit))
		caps->size_limit = 0;
}

static void read_auth(struct smtp_capabilities *caps, struct span args)
{
	caps->auth = args;
}

static void read_keyword(struct smtp_capabilities *caps, struct span line)
{
	struct span name;
	span_split(&line, ' ', &name);
	for (const struct keyword_row *row = keyword_rows; row->name; row++) {
		if (!span_iis(name, row->name))
			continue;
		caps->extensions |= row->extension;
		if (row->read)
			row->read(caps, line.p ? span_trim(line) : SPAN_LIT(""));
	}
}

void smtp_capabilities_parse(const struct smtp_reply *reply, struct smtp_capabilities *caps_r)
{
	struct span text = str_span(&reply->text), line;
	*caps_r = (struct smtp_capabilities){.auth = SPAN_LIT("")};
	if (!text.p)
		return;
	span_split(&text, '\n', &line); /* the greeting */
	while (span_split(&text, '\n', &line))
		read_keyword(caps_r, span_trim(line));
}

static const struct keyword_row keyword_rows[] = {
	{"SIZE",                SMTP_EXT_SIZE,       read_size},
	{"8BITMIME",            SMTP_EXT_8BITMIME,   NULL},
	{"SMTPUTF8",            SMTP_EXT_UTF8,       NULL},
	{"DSN",                 SMTP_EXT_DSN,        NULL},
	{"AUTH",                SMTP_EXT_AUTH,       read_auth},
	{"PIPELINING",          SMTP_EXT_PIPELINING, NULL},
	{"CHUNKING",            SMTP_EXT_CHUNKING,   NULL},
	{"BINARYMIME",          SMTP_EXT_BINARYMIME, NULL},
	{"ENHANCEDSTATUSCODES", SMTP_EXT_STATUS,     NULL},
	{"STARTTLS",            SMTP_EXT_STARTTLS,   NULL},
	{"REQUIRETLS",          SMTP_EXT_REQUIRETLS, NULL},
	{.name = NULL},
};
