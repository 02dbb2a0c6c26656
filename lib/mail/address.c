#include "mail/address.h"

#include <arpa/inet.h>

#include "base/utf8.h"

/* A strict cursor over a command's text. */
struct scan {
	const char *p, *end;
	bool utf8_ok;
	const char *err;
};

/* RFC 5322 atext; octets past 127 are judged by the caller. */
static bool is_atext(unsigned char c)
{
	return ascii_is_alnum(c) || (c && strchr("!#$%&'*+-/=?^_`{|}~", c));
}

static int peek(const struct scan *s)
{
	return s->p < s->end ? (unsigned char)*s->p : -1;
}

static int fail(struct scan *s, const char *err)
{
	s->err = err;
	return -1;
}

static int take_dot_string(struct scan *s, struct str *out)
{
	for (bool atom = false;; s->p++) {
		int c = peek(s);
		if (c == '.' && atom) {
			atom = false;
		} else if (c >= 0x80 || (c >= 0 && is_atext((unsigned char)c))) {
			atom = true;
		} else {
			return atom ? 0 : fail(s, "The local part of the address is malformed.");
		}
		str_putc(out, (char)c);
	}
}

static int take_quoted(struct scan *s, struct str *out)
{
	for (s->p++;; s->p++) {
		int c = peek(s);
		if (c == '"') {
			s->p++;
			return 0;
		}
		if (c == '\\') {
			s->p++;
			c = peek(s);
		}
		if (c < ' ' || c == 0x7f)
			return fail(s, "The quoted local part of the address is malformed.");
		str_putc(out, (char)c);
	}
}

static bool is_label_octet(unsigned char c, bool utf8_ok)
{
	return ascii_is_alnum(c) || c == '-' || c == '_' || (c >= 0x80 && utf8_ok);
}

static bool is_host_name(struct span text, bool utf8_ok)
{
	struct span label;
	if (!text.n || text.n > ADDRESS_DOMAIN_MAX)
		return false;
	while (span_split(&text, '.', &label)) {
		if (!label.n || label.n > 63 || label.p[0] == '-' || label.p[label.n - 1] == '-')
			return false;
		for (size_t i = 0; i < label.n; i++)
			if (!is_label_octet((unsigned char)label.p[i], utf8_ok))
				return false;
	}
	return true;
}

static bool is_literal(struct span text)
{
	char ip[INET6_ADDRSTRLEN + 1];
	unsigned char bytes[16];
	if (text.n < 2 || text.p[0] != '[' || text.p[text.n - 1] != ']')
		return false;
	struct span in = span_make(text.p + 1, text.n - 2);
	int family = span_ihas_prefix(in, SPAN_LIT("IPv6:")) ? AF_INET6 : AF_INET;
	if (family == AF_INET6)
		in = span_make(in.p + 5, in.n - 5);
	if (in.n >= sizeof(ip) || (in.n && memchr(in.p, 0, in.n)))
		return false;
	if (in.n)
		memcpy(ip, in.p, in.n);
	ip[in.n] = '\0';
	return inet_pton(family, ip, bytes) == 1;
}

bool address_is_domain(struct span text, bool utf8_ok)
{
	if (text.n && text.p[0] == '[')
		return is_literal(text);
	return is_host_name(text, utf8_ok) && (!utf8_ok || utf8_is_valid(text));
}

static int take_domain(struct scan *s, struct str *out)
{
	const char *start = s->p;
	bool literal = peek(s) == '[';
	while (s->p < s->end && (literal ? *s->p != ']' : !strchr("> :,", *s->p)))
		s->p++;
	if (literal && s->p < s->end)
		s->p++;
	struct span text = span_make(start, (size_t)(s->p - start));
	if (!address_is_domain(text, true))
		return fail(s, "The domain of the address is malformed.");
	size_t at = 0;
	if (literal && span_ihas_prefix(text, SPAN_LIT("[IPv6:"))) {
		str_puts(out, "[IPv6:");
		at = 6;
	}
	for (; at < text.n; at++)
		str_putc(out, (char)ascii_lower(text.p[at]));
	return 0;
}

/* "@a,@b:" in front of the mailbox: obsolete, to be accepted and ignored (RFC 5321 4.1.1.3). */
static int skip_route(struct scan *s)
{
	struct str dropped = STR_INIT;
	int rc = 0;
	while (peek(s) == '@' && rc == 0) {
		s->p++;
		rc = take_domain(s, &dropped);
		if (rc == 0 && peek(s) == ',')
			s->p++;
		else if (rc == 0 && peek(s) != ':')
			rc = fail(s, "The source route of the address is malformed.");
	}
	str_fini(&dropped);
	if (rc == 0 && peek(s) != ':')
		rc = fail(s, "The source route of the address is malformed.");
	s->p += rc == 0;
	return rc;
}

static int check_mailbox(
	struct scan *s, const char *start, const struct str *local, const struct str *domain)
{
	struct span text = span_make(start, (size_t)(s->p - start));
	if (local->len > ADDRESS_LOCAL_MAX)
		return fail(s, "The local part of the address is too long.");
	if (domain->len > ADDRESS_DOMAIN_MAX)
		return fail(s, "The domain of the address is too long.");
	if (utf8_is_ascii(text))
		return 0;
	if (!s->utf8_ok)
		return fail(s, "The address is not ASCII, and SMTPUTF8 was not asked for.");
	return utf8_is_valid(text) ? 0 : fail(s, "The address is not valid UTF-8.");
}

static int take_mailbox(struct scan *s, unsigned flags, struct pool *pool, struct address *addr_r)
{
	struct str local = STR_INIT, domain = STR_INIT;
	const char *start = s->p;
	int rc = peek(s) == '"' ? take_quoted(s, &local) : take_dot_string(s, &local);
	if (rc == 0 && peek(s) == '@') {
		s->p++;
		rc = take_domain(s, &domain);
	} else if (rc == 0 && !(flags & ADDRESS_NO_DOMAIN_OK)) {
		rc = fail(s, "The address has no domain.");
	}
	if (rc == 0)
		rc = check_mailbox(s, start, &local, &domain);
	if (rc == 0) {
		addr_r->local = pool_span(pool, str_span(&local));
		addr_r->domain = pool_span(pool, str_span(&domain));
	}
	str_fini(&local);
	str_fini(&domain);
	return rc;
}

static int take_path(struct scan *s, unsigned flags, struct pool *pool, struct address *addr_r)
{
	bool bracket = peek(s) == '<';
	if (!bracket && !(flags & ADDRESS_BARE_OK))
		return fail(s, "The address is not in angle brackets.");
	s->p += bracket;
	if (bracket && peek(s) == '>' && (flags & ADDRESS_NULL_OK)) {
		s->p++;
		addr_r->local = addr_r->domain = "";
		return 0;
	}
	if (peek(s) == '@' && skip_route(s) < 0)
		return -1;
	if (take_mailbox(s, flags, pool, addr_r) < 0)
		return -1;
	if (bracket && peek(s) != '>')
		return fail(s, "The address does not end with an angle bracket.");
	s->p += bracket;
	return 0;
}

int address_parse_path(struct span text, unsigned flags, struct pool *pool, struct address *addr_r,
	size_t *used_r, const char **err_r)
{
	struct scan s = {text.p, text.p + text.n, flags & ADDRESS_UTF8_OK, NULL};
	while (peek(&s) == ' ')
		s.p++;
	int rc = take_path(&s, flags, pool, addr_r);
	if (rc == 0 && s.p < s.end && *s.p != ' ')
		rc = fail(&s, "The address is followed by something else.");
	if (rc == 0)
		*used_r = (size_t)(s.p - text.p);
	else
		*err_r = s.err;
	return rc;
}

int address_parse(struct span text, unsigned flags, struct pool *pool, struct address *addr_r,
	const char **err_r)
{
	struct scan s = {text.p, text.p + text.n, flags & ADDRESS_UTF8_OK, NULL};
	int rc = 0;
	if (!text.n && (flags & ADDRESS_NULL_OK))
		addr_r->local = addr_r->domain = "";
	else
		rc = take_mailbox(&s, flags, pool, addr_r);
	if (rc == 0 && s.p < s.end)
		rc = fail(&s, "The address is followed by something else.");
	if (rc < 0)
		*err_r = s.err;
	return rc;
}

bool address_is_utf8(const struct address *a)
{
	return !utf8_is_ascii(span_of(a->local)) || !utf8_is_ascii(span_of(a->domain));
}

bool address_eq(const struct address *a, const struct address *b)
{
	return strcmp(a->local, b->local) == 0 && span_ieq(span_of(a->domain), span_of(b->domain));
}

static bool is_dot_string(const char *s)
{
	bool atom = false;
	for (; *s; s++) {
		if (*s == '.' && atom)
			atom = false;
		else if (is_atext((unsigned char)*s) || (unsigned char)*s >= 0x80)
			atom = true;
		else
			return false;
	}
	return atom;
}

static void put_local(struct str *out, const char *local)
{
	if (is_dot_string(local)) {
		str_puts(out, local);
		return;
	}
	str_putc(out, '"');
	for (; *local; local++) {
		if (*local == '"' || *local == '\\')
			str_putc(out, '\\');
		str_putc(out, *local);
	}
	str_putc(out, '"');
}

void address_put(struct str *out, const struct address *a)
{
	if (address_is_null(a))
		return;
	put_local(out, a->local);
	if (*a->domain) {
		str_putc(out, '@');
		str_puts(out, a->domain);
	}
}

char *address_text(struct pool *pool, const struct address *a)
{
	struct str out = STR_IN(pool);
	address_put(&out, a);
	return out.s ? out.s : pool_strdup(pool, "");
}

void address_put_key(struct str *out, const struct address *a)
{
	size_t at = out->len;
	address_put(out, a);
	for (; at < out->len; at++)
		out->s[at] = (char)ascii_lower(out->s[at]);
}

void address_split_detail(struct span local, char sep, struct span *user_r, struct span *detail_r)
{
	size_t at = local.n ? span_index(local, 1, sep) : 0;
	*user_r = span_make(local.p, at);
	*detail_r =
		at < local.n ? span_make(local.p + at + 1, local.n - at - 1) : span_make(NULL, 0);
}
