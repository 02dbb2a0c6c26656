/*
 * The configuration reader: text to sections of (name, value, line). Knows nothing about rows; what
 * it promises is that every entry has a name, that no name or section comes twice, and that each
 * error names its line. Everything it returns lives in the caller's pool.
 */
#include "conf/conf.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>

#include "base/array.h"
#include "base/hash.h"
#include "base/num.h"
#include "conf/lines.h"
#include "os/os.h"

#define CONF_FILE_MAX (4 * 1024 * 1024)

struct conf_file {
	const char *path;
	ARRAY(struct conf_section) sections;
};

struct parse {
	struct pool *pool;
	struct conf_file *file;
	struct hash *seen; /* "[section]" and "section\nname" to the entry's line, as a pointer */
	struct str key;
	struct str value; /* of the entry being read */
	ARRAY(struct conf_entry) entries;
	bool in_entry;
	const char **err_r;
};

static int fail(struct parse *p, unsigned line, struct span about, const char *what)
{
	*p->err_r = pool_printf(p->pool, "%s:%u: \"%.*s\" %s", p->file->path, line,
		(int)num_min(about.n, 100), about.n ? about.p : "", what);
	return -1;
}

static struct conf_section *current(struct parse *p)
{
	return &p->file->sections.v[p->file->sections.n - 1];
}

/* Ends the entry that continuation lines may still have extended. */
static void finish_entry(struct parse *p)
{
	if (!p->in_entry)
		return;
	p->entries.v[p->entries.n - 1].value = pool_span(p->pool, span_trim(str_span(&p->value)));
	p->in_entry = false;
}

static void finish_section(struct parse *p)
{
	struct conf_section *s = current(p);
	finish_entry(p);
	s->n = p->entries.n;
	s->entries = pool_memdup(p->pool, p->entries.v, p->entries.n * sizeof(*p->entries.v));
	array_reset(&p->entries);
}

/* The line where p->key was seen first, or 0; remembers it from now on. */
static unsigned seen_before(struct parse *p, unsigned line)
{
	void *old = hash_find(p->seen, str_span(&p->key));
	if (!old)
		hash_set(p->seen, str_span(&p->key), (void *)(uintptr_t)line);
	return (unsigned)(uintptr_t)old;
}

static int take_section(struct parse *p, const struct conf_line *l)
{
	if (!conf_is_name(l->name))
		return fail(p, l->line, l->name, "is not a section name.");
	str_reset(&p->key);
	str_putc(&p->key, '[');
	str_add_span(&p->key, l->name);
	if (seen_before(p, l->line))
		return fail(p, l->line, l->name, "is a section for the second time.");
	finish_section(p);
	struct conf_section *s = array_add(&p->file->sections);
	s->name = pool_span(p->pool, l->name);
	s->line = l->line;
	return 0;
}

static int take_entry(struct parse *p, const struct conf_line *l)
{
	if (!conf_is_name(l->name))
		return fail(p, l->line, l->name, "is not a parameter name.");
	str_reset(&p->key);
	str_puts(&p->key, current(p)->name);
	str_putc(&p->key, '\n');
	str_add_span(&p->key, l->name);
	if (seen_before(p, l->line))
		return fail(p, l->line, l->name, "is set a second time in its section.");
	finish_entry(p);
	struct conf_entry *e = array_add(&p->entries);
	*e = (struct conf_entry){.name = pool_span(p->pool, l->name), .line = l->line};
	str_reset(&p->value);
	str_add_span(&p->value, l->value);
	p->in_entry = true;
	return 0;
}

static int take_line(struct parse *p, const struct conf_line *l)
{
	switch (l->kind) {
	case CONF_LINE_COMMENT:
		return 0;
	case CONF_LINE_BLANK:
		finish_entry(p);
		return 0;
	case CONF_LINE_SECTION:
		return take_section(p, l);
	case CONF_LINE_ENTRY:
		return take_entry(p, l);
	case CONF_LINE_MORE:
		if (!p->in_entry)
			return fail(p, l->line, l->value, "continues nothing.");
		str_putc(&p->value, ' ');
		str_add_span(&p->value, l->value);
		return 0;
	case CONF_LINE_BAD:
		break;
	}
	return fail(p, l->line, l->value, "is neither name = value nor [section].");
}

int conf_file_parse(struct pool *pool, const char *path, struct span text,
	struct conf_file **file_r, const char **err_r)
{
	struct conf_file *file = pool_new_of(pool, struct conf_file);
	struct parse p = {.pool = pool, .file = file, .err_r = err_r};
	struct conf_scan scan = {.rest = text};
	struct conf_line line;
	int rc = 0;

	file->path = pool_strdup(pool, path);
	file->sections.pool = pool;
	array_add(&file->sections)->name = "";
	p.seen = hash_new();
	while (rc == 0 && conf_scan_next(&scan, &line))
		rc = memchr(line.whole.p, '\0', line.whole.n)
			     ? fail(&p, line.line, line.whole, "holds a NUL octet.")
			     : take_line(&p, &line);
	if (rc == 0)
		finish_section(&p);
	hash_free(&p.seen);
	array_fini(&p.entries);
	str_fini(&p.value);
	str_fini(&p.key);
	*file_r = rc ? NULL : file;
	return rc;
}

int conf_file_read(
	struct pool *pool, const char *path, struct conf_file **file_r, const char **err_r)
{
	char *text;
	size_t n;
	if (os_read_file(AT_FDCWD, path, CONF_FILE_MAX, &text, &n) < 0) {
		*err_r = pool_printf(pool, "%s can't be read: %s.", path, strerror(errno));
		return -1;
	}
	int rc = conf_file_parse(pool, path, span_make(text, n), file_r, err_r);
	mem_free(&text);
	return rc;
}

size_t conf_file_count(const struct conf_file *file)
{
	return file->sections.n;
}

struct conf_section *conf_file_section(struct conf_file *file, size_t i)
{
	return &file->sections.v[i];
}

struct conf_section *conf_file_find(struct conf_file *file, const char *name)
{
	for (size_t i = 0; i < file->sections.n; i++)
		if (strcmp(file->sections.v[i].name, name) == 0)
			return &file->sections.v[i];
	return NULL;
}

const char *conf_file_path(const struct conf_file *file)
{
	return file->path;
}
