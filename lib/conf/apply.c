/* Tables of rows: filling a struct from defaults and sections, and telling what no row knows. */
#include "conf/conf.h"

const struct conf_row *conf_find_row(const struct conf_row *rows, const char *name)
{
	for (; rows->type != CONF_TYPE_END; rows++)
		if (strcmp(rows->name, name) == 0)
			return rows;
	return NULL;
}

int conf_defaults(struct pool *pool, const struct conf_row *rows, const char *root, void *to,
	const char **err_r)
{
	for (; rows->type != CONF_TYPE_END; rows++)
		if (conf_set(pool, rows, root, rows->dflt, to, err_r) < 0)
			return -1;
	return 0;
}

int conf_apply(struct pool *pool, const struct conf_row *rows, const char *root,
	struct conf_file *file, struct conf_section *section, void *to, const char **err_r)
{
	for (size_t i = 0; i < section->n; i++) {
		struct conf_entry *e = &section->entries[i];
		const struct conf_row *row = conf_find_row(rows, e->name);
		const char *why;
		if (!row)
			continue;
		e->used = true;
		if (conf_set(pool, row, root, e->value, to, &why) < 0) {
			*err_r = pool_printf(pool, "%s:%u: %s", conf_file_path(file), e->line, why);
			return -1;
		}
	}
	return 0;
}

int conf_check_used(struct pool *pool, struct conf_file *file, const struct conf_section *section,
	const char **err_r)
{
	for (size_t i = 0; i < section->n; i++) {
		const struct conf_entry *e = &section->entries[i];
		if (e->used)
			continue;
		*err_r = pool_printf(pool, "%s:%u: there is no parameter %s%s%s.",
			conf_file_path(file), e->line, e->name, section->name[0] ? " for " : "",
			section->name);
		return -1;
	}
	return 0;
}
