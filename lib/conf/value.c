/*
 * Values: from text into a field of a struct, checked by its row, and back. One table row per type.
 */
#include "conf/conf.h"

#include <inttypes.h>

#include "base/array.h"
#include "base/num.h"

struct value_type {
	int (*set)(struct pool *pool, const struct conf_row *row, const char *root,
		struct span value, void *field, const char **err_r);
	void (*put)(struct str *out, const void *field);
};

static int refuse(struct pool *pool, const struct conf_row *row, struct span value,
	const char *wanted, const char **err_r)
{
	*err_r = pool_printf(pool, "%s: \"%.*s\" is not %s.", row->name, (int)num_min(value.n, 100),
		value.p, wanted);
	return -1;
}

/* v is in units of 1/scale of what the row's limits are in. */
static int check_range(struct pool *pool, const struct conf_row *row, struct span value, uint64_t v,
	uint64_t scale, const char **err_r)
{
	if (v >= (uint64_t)row->least * scale && (!row->most || v <= (uint64_t)row->most * scale))
		return 0;
	const char *unit = scale > 1 ? " seconds" : "";
	const char *range = row->most
				    ? pool_printf(pool, "between %" PRId64 " and %" PRId64 "%s",
					      row->least, row->most, unit)
				    : pool_printf(pool, "at least %" PRId64 "%s", row->least, unit);
	return refuse(pool, row, value, range, err_r);
}

static int set_str(struct pool *pool, const struct conf_row *row, const char *root,
	struct span value, void *field, const char **err_r)
{
	(void)row, (void)root, (void)err_r;
	*(const char **)field = pool_span(pool, value);
	return 0;
}

/* An empty path stays empty: it means "none". */
static int set_path(struct pool *pool, const struct conf_row *row, const char *root,
	struct span value, void *field, const char **err_r)
{
	(void)row, (void)err_r;
	const char *path = pool_span(pool, value);
	if (value.n && value.p[0] != '/' && root) {
		size_t n = strlen(root);
		path = pool_printf(pool, "%s%s%s", root, n && root[n - 1] == '/' ? "" : "/", path);
	}
	*(const char **)field = path;
	return 0;
}

static int set_bool(struct pool *pool, const struct conf_row *row, const char *root,
	struct span value, void *field, const char **err_r)
{
	(void)root;
	bool yes = span_iis(value, "yes");
	if (!yes && !span_iis(value, "no"))
		return refuse(pool, row, value, "yes or no", err_r);
	*(bool *)field = yes;
	return 0;
}

static int set_num(struct pool *pool, const struct conf_row *row, const char *root,
	struct span value, void *field, const char **err_r)
{
	(void)root;
	uint64_t v;
	if (!num_parse_u64(value, UINT64_MAX, &v))
		return refuse(pool, row, value, "a number", err_r);
	*(uint64_t *)field = v;
	return check_range(pool, row, value, v, 1, err_r);
}

static int set_size(struct pool *pool, const struct conf_row *row, const char *root,
	struct span value, void *field, const char **err_r)
{
	(void)root;
	uint64_t v;
	if (!num_parse_size(value, &v))
		return refuse(pool, row, value, "a size like 512, 64k or 50M", err_r);
	*(uint64_t *)field = v;
	return check_range(pool, row, value, v, 1, err_r);
}

static int set_time(struct pool *pool, const struct conf_row *row, const char *root,
	struct span value, void *field, const char **err_r)
{
	(void)root;
	int64_t ms;
	if (!num_parse_duration(value, &ms))
		return refuse(pool, row, value, "a duration like 30s, 5m or 1h30m", err_r);
	*(int64_t *)field = ms;
	return check_range(pool, row, value, (uint64_t)ms, 1000, err_r);
}

static int set_enum(struct pool *pool, const struct conf_row *row, const char *root,
	struct span value, void *field, const char **err_r)
{
	(void)root;
	struct span rest = span_of(row->words), word;
	while (span_split(&rest, '|', &word))
		if (span_eq(word, value)) {
			*(const char **)field = pool_span(pool, value);
			return 0;
		}
	return refuse(pool, row, value, pool_printf(pool, "one of %s", row->words), err_r);
}

static void put_text(struct str *out, const void *field)
{
	const char *text = *(const char *const *)field;
	str_puts(out, text ? text : "");
}

static void put_bool(struct str *out, const void *field)
{
	str_puts(out, *(const bool *)field ? "yes" : "no");
}

static void put_num(struct str *out, const void *field)
{
	str_put_u64(out, *(const uint64_t *)field);
}

/* In the largest unit that loses nothing. */
static void put_size(struct str *out, const void *field)
{
	static const char units[] = "\0kMGT";
	uint64_t v = *(const uint64_t *)field;
	unsigned u = 0;
	while (v && v % 1024 == 0 && u < 4) {
		v /= 1024;
		u++;
	}
	str_put_u64(out, v);
	if (u)
		str_putc(out, units[u]);
}

static void put_time(struct str *out, const void *field)
{
	static const struct {
		int64_t ms;
		const char *unit;
	} units[] = {{604800000, "w"}, {86400000, "d"}, {3600000, "h"}, {60000, "m"}, {1000, "s"},
		{1, "ms"}};
	int64_t v = *(const int64_t *)field;
	if (!v)
		str_puts(out, "0");
	for (size_t i = 0; i < COUNT_OF(units); i++)
		if (v && v % units[i].ms == 0) {
			str_printf(out, "%" PRId64 "%s", v / units[i].ms, units[i].unit);
			return;
		}
}

static const struct value_type value_types[] = {
	[CONF_TYPE_STR] = {set_str, put_text},
	[CONF_TYPE_PATH] = {set_path, put_text},
	[CONF_TYPE_BOOL] = {set_bool, put_bool},
	[CONF_TYPE_NUM] = {set_num, put_num},
	[CONF_TYPE_SIZE] = {set_size, put_size},
	[CONF_TYPE_TIME] = {set_time, put_time},
	[CONF_TYPE_ENUM] = {set_enum, put_text},
	[CONF_TYPE_LIST] = {set_str, put_text},
};

int conf_set(struct pool *pool, const struct conf_row *row, const char *root, const char *value,
	void *to, const char **err_r)
{
	return value_types[row->type].set(
		pool, row, root, span_trim(span_of(value)), (char *)to + row->offset, err_r);
}

void conf_put_value(struct str *out, const struct conf_row *row, const void *from)
{
	value_types[row->type].put(out, (const char *)from + row->offset);
}

static bool is_separator(char c)
{
	return c == ' ' || c == '\t' || c == ',';
}

bool conf_list_next(const char *value, size_t *at, struct span *word_r)
{
	size_t i = *at;
	while (is_separator(value[i]))
		i++;
	size_t start = i;
	while (value[i] && !is_separator(value[i]))
		i++;
	*at = i;
	*word_r = span_make(value + start, i - start);
	return i > start;
}
