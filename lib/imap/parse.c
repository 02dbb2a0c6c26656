#include "imap/parse.h"

#include "base/num.h"
#include "base/str.h"
#include "imap/utf7.h"

void imap_parse_init(struct imap_parse *c, struct span text, struct pool *pool)
{
	*c = (struct imap_parse){.p = text.p, .end = text.p, .pool = pool, .separator = '/'};
	if (text.n) /* an empty one may have no place */
		c->end += text.n;
}

bool imap_parse_fail(struct imap_parse *c, const char *why)
{
	if (!c->err)
		c->err = why;
	c->p = c->end;
	return false;
}

bool imap_is_astring_char(char c)
{
	/* What can stand in no atom, RFC 3501 section 9: atom-specials, without the "]". */
	return c > ' ' && c < 127 && !strchr("(){%*\"\\", c);
}

bool imap_is_atom_char(char c)
{
	return imap_is_astring_char(c) && c != ']';
}

bool imap_parse_at(const struct imap_parse *c, char ch)
{
	return c->p < c->end && *c->p == ch;
}

bool imap_parse_at_end(const struct imap_parse *c)
{
	return c->p == c->end;
}

bool imap_parse_skip(struct imap_parse *c, char ch)
{
	if (!imap_parse_at(c, ch))
		return false;
	c->p++;
	return true;
}

static struct span run(struct imap_parse *c, bool (*is)(char))
{
	const char *from = c->p;

	while (c->p < c->end && is(*c->p))
		c->p++;
	return span_make(from, (size_t)(c->p - from));
}

bool imap_parse_skip_word(struct imap_parse *c, const char *word)
{
	const char *from = c->p;

	if (span_iis(run(c, imap_is_atom_char), word))
		return true;
	c->p = from;
	return false;
}

bool imap_parse_char(struct imap_parse *c, char ch)
{
	if (imap_parse_skip(c, ch))
		return true;
	if (c->err)
		return false;
	return imap_parse_fail(c, imap_parse_at_end(c) ? "Missing arguments."
				  : ch == ' '          ? "Expected a space."
				  : ch == '('          ? "Expected a list."
				  : ch == ')'          ? "The list is not closed."
						       : "Unexpected character.");
}

bool imap_parse_space(struct imap_parse *c)
{
	return imap_parse_char(c, ' ');
}

bool imap_parse_end(struct imap_parse *c)
{
	return c->err ? false : c->p == c->end ? true : imap_parse_fail(c, "Unexpected arguments.");
}

static bool is_tag_char(char c)
{
	return imap_is_astring_char(c) && c != '+';
}

bool imap_parse_tag(struct imap_parse *c, struct span *tag_r)
{
	*tag_r = run(c, is_tag_char);
	return tag_r->n > 0 || imap_parse_fail(c, "The tag is missing or malformed.");
}

bool imap_parse_atom(struct imap_parse *c, struct span *atom_r)
{
	*atom_r = run(c, imap_is_atom_char);
	if (atom_r->n > 0)
		return true;
	return imap_parse_fail(
		c, imap_parse_at_end(c) ? "Missing arguments." : "Expected a word.");
}

static bool parse_quoted(struct imap_parse *c, struct span *s_r)
{
	const char *from = ++c->p;
	bool escaped = false;

	while (c->p < c->end && *c->p != '"') {
		if (*c->p == '\\') {
			escaped = true;
			c->p++;
			if (c->p == c->end || (*c->p != '"' && *c->p != '\\'))
				return imap_parse_fail(c, "Bad escape in a quoted string.");
		}
		if (*c->p == '\r' || *c->p == '\n')
			break;
		c->p++;
	}
	if (c->p == c->end || *c->p != '"')
		return imap_parse_fail(c, "A quoted string is not closed.");
	*s_r = span_make(from, (size_t)(c->p++ - from));
	if (escaped) {
		char *copy = pool_alloc(c->pool, s_r->n);
		size_t n = 0;
		for (size_t i = 0; i < s_r->n; i++)
			copy[n++] = s_r->p[s_r->p[i] == '\\' ? ++i : i];
		*s_r = span_make(copy, n);
	}
	return true;
}

static bool is_digit(char c)
{
	return ascii_is_digit(c);
}

static bool parse_literal(struct imap_parse *c, struct span *s_r)
{
	uint64_t n;

	c->p++;
	struct span digits = run(c, is_digit);
	imap_parse_skip(c, '+');
	if (!num_parse_u64(digits, SIZE_MAX / 2, &n) || c->end - c->p < 3 ||
		memcmp(c->p, "}\r\n", 3) != 0 || (size_t)(c->end - c->p - 3) < n)
		return imap_parse_fail(c, "Bad literal.");
	*s_r = span_make(c->p + 3, (size_t)n);
	c->p += 3 + n;
	return true;
}

static bool parse_string_or(struct imap_parse *c, bool (*is)(char), struct span *s_r)
{
	if (imap_parse_at(c, '"'))
		return parse_quoted(c, s_r);
	if (imap_parse_at(c, '{'))
		return parse_literal(c, s_r);
	if (is) {
		*s_r = run(c, is);
		if (s_r->n > 0)
			return true;
	}
	return imap_parse_fail(
		c, imap_parse_at_end(c) ? "Missing arguments." : "Expected a string.");
}

bool imap_parse_string(struct imap_parse *c, struct span *s_r)
{
	return parse_string_or(c, NULL, s_r);
}

bool imap_parse_astring(struct imap_parse *c, struct span *s_r)
{
	return parse_string_or(c, imap_is_astring_char, s_r);
}

static bool is_list_char(char c)
{
	return imap_is_astring_char(c) || c == '%' || c == '*';
}

bool imap_parse_list_mailbox(struct imap_parse *c, struct span *s_r)
{
	return parse_string_or(c, is_list_char, s_r);
}

bool imap_parse_nstring(struct imap_parse *c, struct span *s_r)
{
	*s_r = span_make(NULL, 0);
	return imap_parse_skip_word(c, "NIL") || imap_parse_string(c, s_r);
}

bool imap_parse_number(struct imap_parse *c, uint64_t max, uint64_t *v_r)
{
	return num_parse_u64(run(c, is_digit), max, v_r) ||
	       imap_parse_fail(c, "Expected a number.");
}

bool imap_mailbox_name(struct imap_parse *c, struct span wire, const char **name_r)
{
	struct str name = STR_IN(c->pool);

	if (!utf7_to_utf8(&name, wire))
		return false;
	if (c->separator != '/')
		for (size_t i = 0; i < name.len; i++) {
			if (name.s[i] == '/')
				return false;
			if (name.s[i] == c->separator)
				name.s[i] = '/';
		}
	if (name.len >= 5 && span_iis(span_make(name.s, 5), "INBOX") &&
		(name.len == 5 || name.s[5] == '/'))
		memcpy(name.s, "INBOX", 5);
	*name_r = str_c(&name);
	return true;
}

bool imap_parse_mailbox(struct imap_parse *c, const char **name_r)
{
	struct span s;

	if (!imap_parse_astring(c, &s))
		return false;
	if (imap_mailbox_name(c, s, name_r))
		return true;
	c->bad_name = true;
	return imap_parse_fail(c, "The mailbox name is not valid modified UTF-7.");
}
