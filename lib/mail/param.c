#include "mail/param.h"

#include "base/array.h"
#include "mail/charset.h"
#include "mail/encoded.h"

struct cursor {
	const char *p, *end;
	/* Opened and never closed: they are plain octets from then on. */
	bool open_quote, open_comment;
};

static bool is_space(char c)
{
	return c == ' ' || c == '\t' || c == '\r' || c == '\n';
}

static bool is_token(char c)
{
	switch (c) {
	case '(':
	case ')':
	case '<':
	case '>':
	case '@':
	case ',':
	case ';':
	case ':':
	case '\\':
	case '"':
	case '/':
	case '[':
	case ']':
	case '?':
	case '=':
	case 0x7f:
		return false;
	default:
		return (unsigned char)c > ' ';
	}
}

/* White space and comments. A comment that is never closed is an octet like any other. */
static void skip_space(struct cursor *c)
{
	while (c->p < c->end) {
		if (is_space(*c->p)) {
			c->p++;
			continue;
		}
		if (*c->p != '(' || c->open_comment)
			return;
		const char *q = c->p;
		for (int depth = 0; q < c->end; q++) {
			depth += (*q == '(') - (*q == ')');
			if (!depth)
				break;
		}
		c->open_comment = q >= c->end;
		if (!c->open_comment)
			c->p = q + 1;
	}
}

static struct span take_token(struct cursor *c)
{
	const char *start = c->p;
	while (c->p < c->end && is_token(*c->p))
		c->p++;
	return span_make(start, (size_t)(c->p - start));
}

static struct span rest_of(const struct cursor *c)
{
	return span_make(c->p, (size_t)(c->end - c->p));
}

bool param_parse_type(
	struct span value, struct span *type_r, struct span *subtype_r, struct span *rest_r)
{
	struct cursor c = {.p = value.p, .end = value.p + value.n};
	skip_space(&c);
	*type_r = take_token(&c);
	skip_space(&c);
	bool slash = c.p < c.end && *c.p == '/';
	c.p += slash;
	skip_space(&c);
	*subtype_r = slash ? take_token(&c) : span_make(c.p, 0);
	*rest_r = rest_of(&c);
	if (type_r->n && subtype_r->n && type_r->n <= PARAM_NAME_MAX &&
		subtype_r->n <= PARAM_NAME_MAX)
		return true;
	*type_r = *subtype_r = span_make(value.p, 0);
	return false;
}

struct span param_parse_token(struct span value, struct span *rest_r)
{
	struct cursor c = {.p = value.p, .end = value.p + value.n};
	skip_space(&c);
	/* Quoted by some, where no quotes belong. */
	c.p += c.p < c.end && *c.p == '"';
	struct span token = take_token(&c);
	*rest_r = rest_of(&c);
	return token.n <= PARAM_NAME_MAX ? token : span_make(token.p, 0);
}

static struct span unquote(struct span in, struct pool *pool)
{
	bool dirty = false;
	for (size_t i = 0; i < in.n && !dirty; i++)
		dirty = in.p[i] == '\\' || in.p[i] == '\r' || in.p[i] == '\n';
	if (!dirty)
		return in;
	char *copy = pool_alloc(pool, in.n);
	size_t n = 0;
	for (size_t i = 0; i < in.n; i++) {
		if (in.p[i] == '\\' && i + 1 < in.n)
			i++;
		if (in.p[i] != '\r' && in.p[i] != '\n')
			copy[n++] = in.p[i];
	}
	return span_make(copy, n);
}

static struct span cut(struct span s, size_t max)
{
	return span_make(s.p, s.n < max ? s.n : max);
}

/* A quoted string, or everything up to white space or ';': file names are often left unquoted with
 * octets that no token has. */
static struct span take_value(struct cursor *c, struct pool *pool)
{
	if (c->p < c->end && *c->p == '"' && !c->open_quote) {
		const char *q = c->p + 1;
		while (q < c->end && *q != '"')
			q += *q == '\\' && q + 1 < c->end ? 2 : 1;
		if (q < c->end) {
			struct span in = span_make(c->p + 1, (size_t)(q - c->p - 1));
			c->p = q + 1;
			return unquote(cut(in, PARAM_VALUE_MAX), pool);
		}
		c->open_quote = true;
		c->p++;
	}
	const char *start = c->p;
	while (c->p < c->end && *c->p != ';' && !is_space(*c->p))
		c->p++;
	return cut(span_make(start, (size_t)(c->p - start)), PARAM_VALUE_MAX);
}

/* The next "name=value", whatever stands before its ';'. */
static bool take_param(struct cursor *c, struct pool *pool, struct param *param_r)
{
	while (c->p < c->end) {
		if (*c->p == ';') {
			c->p++;
			continue;
		}
		skip_space(c);
		struct span name = take_token(c);
		skip_space(c);
		bool found = name.n && name.n <= PARAM_NAME_MAX && c->p < c->end && *c->p == '=';
		if (found) {
			c->p++;
			skip_space(c);
			param_r->name = name;
			param_r->value = take_value(c, pool);
		}
		const char *semi = memchr(c->p, ';', (size_t)(c->end - c->p));
		c->p = semi ? semi : c->end;
		if (found)
			return true;
	}
	return false;
}

/* "name*12*": the part before the first '*', the number (-1 none), and the last '*'. */
static struct span split_name(struct span name, int *number_r, bool *extended_r)
{
	size_t star = span_index(name, 0, '*'), i = star + 1;
	*number_r = -1;
	*extended_r = star < name.n && name.p[name.n - 1] == '*';
	for (; i < name.n && ascii_is_digit(name.p[i]) && i < star + 4; i++)
		*number_r = (*number_r < 0 ? 0 : *number_r * 10) + (name.p[i] - '0');
	return span_make(name.p, star);
}

/* Joins the pieces of the continuation that starts at v[at], which has number 0. */
static void join(struct param *v, size_t n, size_t at, struct pool *pool)
{
	int number;
	bool extended, any;
	struct span base = split_name(v[at].name, &number, &any);
	struct str value = STR_IN(pool), name = STR_IN(pool);
	str_add_span(&value, v[at].value);
	int next = 1;
	for (size_t i = 0; i < n; i++) {
		struct span other = split_name(v[i].name, &number, &extended);
		if (number != next || !span_ieq(other, base))
			continue;
		str_add_span(&value, v[i].value);
		v[i].name.n = 0;
		next++;
		i = (size_t)-1;
	}
	str_add_span(&name, base);
	if (any)
		str_putc(&name, '*');
	v[at].name = str_span(&name);
	v[at].value = cut(str_span(&value), PARAM_VALUE_MAX);
}

static size_t join_continuations(struct param *v, size_t n, struct pool *pool)
{
	int number;
	bool extended;
	size_t kept = 0;
	for (size_t i = 0; i < n; i++) {
		if (v[i].name.n)
			split_name(v[i].name, &number, &extended);
		if (v[i].name.n && number == 0)
			join(v, n, i, pool);
	}
	for (size_t i = 0; i < n; i++)
		if (v[i].name.n)
			v[kept++] = v[i];
	return kept;
}

void params_parse(struct span rest, struct pool *pool, struct params *params_r)
{
	struct cursor c = {.p = rest.p, .end = rest.p + rest.n};
	ARRAY(struct param) all = ARRAY_IN(pool);
	bool continued = false;
	struct param p;
	while (all.n < PARAM_MAX && take_param(&c, pool, &p)) {
		*array_add(&all) = p;
		continued |= memchr(p.name.p, '*', p.name.n) != NULL;
	}
	params_r->v = all.v;
	params_r->n = continued ? join_continuations(all.v, all.n, pool) : all.n;
}

int params_find(const struct params *params, const char *name, struct span *value_r)
{
	for (size_t i = 0; i < params->n; i++) {
		if (span_iis(params->v[i].name, name)) {
			*value_r = params->v[i].value;
			return 1;
		}
	}
	return 0;
}

static int hex_digit(char c)
{
	c = (char)ascii_lower(c);
	return ascii_is_digit(c) ? c - '0' : c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

/* charset'language'%xx, the form of RFC 2231 4. */
static void put_extended(struct str *out, struct span value)
{
	size_t first = span_index(value, 0, '\'');
	size_t second = first < value.n ? span_index(value, first + 1, '\'') : value.n;
	struct span charset = second < value.n ? span_make(value.p, first) : span_make("", 0);
	struct str bytes = STR_INIT;
	for (size_t i = second < value.n ? second + 1 : 0; i < value.n; i++) {
		int a = value.p[i] == '%' && i + 2 < value.n ? hex_digit(value.p[i + 1]) : -1;
		int b = a >= 0 ? hex_digit(value.p[i + 2]) : -1;
		str_putc(&bytes, b >= 0 ? (char)(a << 4 | b) : value.p[i]);
		i += b >= 0 ? 2 : 0;
	}
	charset_put_utf8(out, charset, str_span(&bytes));
	str_fini(&bytes);
}

int params_put_utf8(const struct params *params, const char *name, struct str *out)
{
	struct span value;
	for (size_t i = 0; i < params->n; i++) {
		struct span n = params->v[i].name;
		if (n.n && n.p[n.n - 1] == '*' && span_iis(span_make(n.p, n.n - 1), name)) {
			put_extended(out, params->v[i].value);
			return 1;
		}
	}
	if (!params_find(params, name, &value))
		return 0;
	encoded_put_decoded(out, value);
	return 1;
}
