#include "admin/sendmail/aliases.h"

#include "base/array.h"
#include "base/hash.h"
#include "base/num.h"
#include "mail/address.h"

struct parse {
	struct pool *pool;
	const char *path;
	ARRAY(struct dir_entry) entries;
	struct hash *names;
	const char **err_r;
};

static int fail(struct parse *p, unsigned line, struct span about, const char *what)
{
	*p->err_r = pool_printf(p->pool, "%s:%u: \"%.*s\" %s", p->path, line,
		(int)num_min(about.n, 100), about.n ? about.p : "", what);
	return -1;
}

/* Commands, files and lists are told apart by how a target begins, quoted or not. */
static bool is_special(struct span target)
{
	while (target.n && (target.p[0] == '"' || target.p[0] == ' ' || target.p[0] == '\t'))
		target = span_make(target.p + 1, target.n - 1);
	return target.n && (target.p[0] == '|' || target.p[0] == '/' || target.p[0] == ':');
}

static int fail_special(struct parse *p, unsigned line, struct span target)
{
	return fail(p, line, span_trim(target), "is a command, a file or a list, which aliases can't be yet.");
}

/* Spelled and read again, as it will be in an envelope; the comma parts targets. */
static int put_target(struct parse *p, unsigned line, const struct address_item *item, struct str *out)
{
	struct address whole, raw = {
		.local = pool_span(p->pool, item->local),
		.domain = item->domain.n ? pool_span(p->pool, item->domain) : "",
	};
	const char *text = address_text(p->pool, &raw), *why;
	if (is_special(item->local)) /* in a group, or behind a comment */
		return fail_special(p, line, item->local);
	if (strchr(text, ',') || address_parse(span_of(text), ADDRESS_UTF8_OK | ADDRESS_NO_DOMAIN_OK, p->pool,
					 &whole, &why) < 0)
		return fail(p, line, span_of(text), "is no address that an alias can lead to.");
	str_puts(out, out->len ? ", " : "");
	address_put(out, &whole);
	return 0;
}

static int put_targets(struct parse *p, unsigned line, struct span value, struct str *out)
{
	struct address_reader reader;
	struct address_item item;
	struct span rest = value, piece;
	while (span_split(&rest, ',', &piece))
		if (is_special(piece))
			return fail_special(p, line, piece);
	address_reader_init(&reader, value, p->pool);
	while (address_read(&reader, &item)) {
		if (item.kind != ADDRESS_MAILBOX)
			continue;
		if (!item.local.n)
			return fail(p, line, span_trim(value), "holds no address.");
		if (put_target(p, line, &item, out) < 0)
			return -1;
	}
	return out->len ? 0 : fail(p, line, span_trim(value), "holds no address.");
}

static int take_alias(struct parse *p, unsigned line, struct span text)
{
	struct str name = STR_IN(p->pool), targets = STR_IN(p->pool);
	size_t colon = span_index(text, 0, ':');
	struct span left = span_trim(span_make(text.p, colon));
	if (left.n >= 2 && left.p[0] == '"' && left.p[left.n - 1] == '"')
		left = span_make(left.p + 1, left.n - 2);
	if (colon == text.n || !left.n)
		return fail(p, line, text, "is not name: address.");
	if (p->entries.n >= ALIASES_ENTRIES_MAX)
		return fail(p, line, left, "is one alias too many.");
	for (size_t i = 0; i < left.n; i++)
		str_putc(&name, (char)ascii_lower((unsigned char)left.p[i]));
	if (hash_set(p->names, str_span(&name), p))
		return fail(p, line, left, "is here a second time.");
	if (put_targets(p, line, span_make(text.p + colon + 1, text.n - colon - 1), &targets) < 0)
		return -1;
	struct dir_entry *e = array_add(&p->entries);
	*e = (struct dir_entry){.name = str_c(&name), .account = "", .text = str_c(&targets)};
	return 0;
}

static bool is_blank(struct span line)
{
	return line.n && (line.p[0] == ' ' || line.p[0] == '\t');
}

/* Collects the lines of each alias, then takes it. */
static int take_lines(struct parse *p, struct span text)
{
	struct str entry = STR_IN(p->pool);
	unsigned number = 0, first = 0;
	struct span line;
	int rc = 0;
	while (rc == 0 && span_split(&text, '\n', &line)) {
		struct span content = span_trim(line);
		number++;
		if (content.n && content.p[0] == '#')
			continue;
		if (content.n && is_blank(line) && entry.len) {
			str_putc(&entry, ' ');
			str_add_span(&entry, content);
			continue;
		}
		if (entry.len)
			rc = take_alias(p, first, str_span(&entry));
		entry = STR_IN(p->pool);
		str_add_span(&entry, content);
		first = number;
	}
	return rc == 0 && entry.len ? take_alias(p, first, str_span(&entry)) : rc;
}

int aliases_parse(struct pool *pool, const char *path, struct span text, struct dir_aliases *to,
	const char **err_r)
{
	struct parse p = {.pool = pool, .path = path, .entries = ARRAY_IN(pool), .err_r = err_r};
	p.names = hash_new();
	int rc = memchr(text.p ? text.p : "", '\0', text.n)
			 ? fail(&p, 1, span_make("", 0), "holds a NUL octet somewhere.")
			 : take_lines(&p, text);
	hash_free(&p.names);
	*to = (struct dir_aliases){.entries = {p.entries.v, p.entries.n}};
	return rc;
}
