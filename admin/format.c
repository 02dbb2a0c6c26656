#include "admin/format.h"

#include <inttypes.h>

#include "base/num.h"
#include "base/utf8.h"

#define COLUMNS_MAX 16
#define INDENT      "  "

/* What mail brought may hold escape sequences; a line end is kept where lines are wanted. */
static void put_clean(struct str *out, const char *text, bool lines)
{
	for (; *text; text++) {
		unsigned char c = (unsigned char)*text;
		if (c == '\r' && lines)
			continue;
		str_putc(out,
			c == '\t' || (c == '\n' && lines) || (c >= 32 && c != 127) ? (char)c : '?');
	}
}

static void put_scalar(struct str *out, const struct js *v)
{
	switch (js_type(v)) {
	case JS_STR:
		put_clean(out, js_str(v), false);
		break;
	case JS_NUM:
		str_printf(out, "%" PRId64, js_num(v));
		break;
	case JS_BOOL:
		str_puts(out, js_bool(v) ? "yes" : "no");
		break;
	case JS_LIST:
		for (size_t i = 0; i < js_count(v); i++) {
			str_puts(out, i ? ", " : "");
			put_scalar(out, js_at(v, i));
		}
		break;
	case JS_OBJECT:
	case JS_NULL:
		str_putc(out, '-');
		break;
	}
}

/* Columns on a terminal: characters, not octets. */
static size_t width_of(struct span s)
{
	size_t width = 0;
	for (size_t i = 0; i < s.n; i++)
		width += ((unsigned char)s.p[i] & 0xc0) != 0x80;
	return width;
}

static size_t split_columns(const char *columns, struct span *v)
{
	struct span rest = span_of(columns), word;
	size_t n = 0;
	while (n < COLUMNS_MAX && span_split(&rest, ' ', &word))
		v[n++] = word;
	return n;
}

static void put_cell(struct str *out, struct span text, size_t width, bool last)
{
	str_add_span(out, text.n ? text : SPAN_LIT("-"));
	for (size_t i = width_of(text.n ? text : SPAN_LIT("-")); !last && i < width + 2; i++)
		str_putc(out, ' ');
}

static void put_table(struct str *out, const char *columns, struct js *list, const char *indent)
{
	struct pool *pool = pool_new("table");
	struct span names[COLUMNS_MAX];
	size_t width[COLUMNS_MAX], n = split_columns(columns, names), rows = js_count(list);
	struct str *cells = pool_array(pool, (rows + 1) * n, sizeof(*cells));

	for (size_t c = 0; c < n; c++) {
		width[c] = 0;
		for (size_t r = 0; r <= rows; r++) {
			struct str *cell = &cells[r * n + c];
			cell->pool = pool;
			if (r)
				put_scalar(cell,
					js_get(js_at(list, r - 1), pool_span(pool, names[c])));
			else
				for (size_t i = 0; i < names[c].n; i++)
					str_putc(cell,
						(char)ascii_upper((unsigned char)names[c].p[i]));
			width[c] = num_max(width[c], width_of(str_span(cell)));
		}
	}
	for (size_t r = 0; r <= rows && rows; r++) {
		str_puts(out, indent);
		for (size_t c = 0; c < n; c++)
			put_cell(out, str_span(&cells[r * n + c]), width[c], c + 1 == n);
		str_putc(out, '\n');
	}
	pool_free(&pool);
}

static bool is_text_block(struct js *v)
{
	return js_type(v) == JS_STR && strchr(js_str(v), '\n');
}

static bool is_table(struct js *v)
{
	return js_type(v) == JS_LIST && js_type(js_at(v, 0)) == JS_OBJECT;
}

static bool is_lines(struct js *v)
{
	return js_type(v) == JS_LIST && js_type(js_at(v, 0)) == JS_STR;
}

/* The keys of a list's first element, as columns. */
static const char *columns_of(struct pool *pool, struct js *list)
{
	struct str columns = STR_IN(pool);
	const char *key;
	struct js *value;
	for (void *at = NULL; js_next(js_at(list, 0), &at, &key, &value);)
		str_printf(&columns, "%s%s", columns.len ? " " : "", key);
	return str_c(&columns);
}

static void put_object(struct str *out, struct js *object)
{
	struct pool *pool = pool_new("object");
	const char *key;
	struct js *value;
	for (void *at = NULL; js_next(object, &at, &key, &value);) {
		if (is_text_block(value))
			continue;
		str_printf(out, "%s:", key);
		if (is_table(value)) {
			str_putc(out, '\n');
			put_table(out, columns_of(pool, value), value, INDENT);
			continue;
		}
		if (is_lines(value)) {
			str_putc(out, '\n');
			for (size_t i = 0; i < js_count(value); i++) {
				str_puts(out, INDENT);
				put_scalar(out, js_at(value, i));
				str_putc(out, '\n');
			}
			continue;
		}
		str_putc(out, ' ');
		put_scalar(out, value);
		str_putc(out, '\n');
	}
	for (void *at = NULL; js_next(object, &at, &key, &value);)
		if (is_text_block(value)) {
			str_putc(out, '\n');
			put_clean(out, js_str(value), true);
		}
	pool_free(&pool);
}

void format_text(struct str *out, const struct op *op, struct js *result)
{
	if (is_table(result) && op->columns) {
		put_table(out, op->columns, result, "");
	} else if (js_type(result) == JS_LIST) {
		for (size_t i = 0; i < js_count(result); i++) {
			put_scalar(out, js_at(result, i));
			str_putc(out, '\n');
		}
	} else if (js_type(result) == JS_OBJECT) {
		put_object(out, result);
	} else if (js_type(result) == JS_STR) {
		put_clean(out, js_str(result), true);
		if (!out->len || out->s[out->len - 1] != '\n')
			str_putc(out, '\n');
	} else if (js_type(result) != JS_NULL) {
		put_scalar(out, result);
		str_putc(out, '\n');
	}
}

void format_json(struct str *out, struct js *result)
{
	if (result)
		js_write(out, result, false);
	else
		str_puts(out, "{}");
	str_putc(out, '\n');
}
