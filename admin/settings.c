#include "admin/settings.h"

/* The struct behind a section: its rows, filled. A service has two tables, its own and its
 * program's. */
struct filled {
	const struct conf_row *rows;
	const void *conf;
};

bool setting_parse(struct pool *pool, const char *text, struct setting *setting_r)
{
	size_t mark = strcspn(text, ".:");
	*setting_r = (struct setting){.is_service = text[mark] == ':', .section = ""};
	if (text[mark]) {
		setting_r->section = pool_strndup(pool, text, mark);
		text += mark + 1;
		if (!setting_r->section[0])
			return false;
	}
	setting_r->name = pool_strdup(pool, text);
	return text[0] && !text[strcspn(text, ".: \t\n[]=#")];
}

static int fill_program(struct config *config, const char *program, const char *service,
	struct filled *to, const char **err_r)
{
	const struct params_table *t = params_table_find(program);
	if (!program[0]) {
		*to = (struct filled){common_conf_rows, &config->common};
		return 0;
	}
	void *conf = t ? pool_alloc(config->pool, t->size) : NULL;
	if (!t || config_program(config, program, service, conf, err_r) < 0)
		return -1;
	*to = (struct filled){t->rows, conf};
	return 0;
}

/* Into to[2]; the number of tables, 0 for no such section, or -1. */
static int fill(
	struct config *config, const struct setting *s, struct filled *to, const char **err_r)
{
	if (!s->is_service) {
		if (!params_table_find(s->section))
			return 0;
		return fill_program(config, s->section, NULL, to, err_r) < 0 ? -1 : 1;
	}
	struct service_conf *service = pool_new_of(config->pool, struct service_conf);
	if (!conf_file_find(config->services_file, s->section))
		return 0;
	if (config_service(config, s->section, service, err_r) < 0 ||
		fill_program(config, service->program, s->section, &to[1], err_r) < 0)
		return -1;
	to[0] = (struct filled){service_conf_rows, service};
	return 2;
}

int setting_get(
	struct config *config, const struct setting *setting, struct str *out, const char **err_r)
{
	struct filled tables[2];
	int n = fill(config, setting, tables, err_r);
	for (int i = 0; i < n; i++) {
		const struct conf_row *row = conf_find_row(tables[i].rows, setting->name);
		if (row) {
			conf_put_value(out, row, tables[i].conf);
			return 1;
		}
	}
	return n < 0 ? -1 : 0;
}

struct visit {
	struct config *config;
	void (*each)(void *arg, const char *name, const char *value);
	void *arg;
};

static int visit_section(struct visit *v, const struct setting *s, const char **err_r)
{
	struct filled tables[2];
	int n = fill(v->config, s, tables, err_r);
	for (int i = 0; i < n; i++)
		for (const struct conf_row *row = tables[i].rows; row->type != CONF_TYPE_END;
			row++) {
			struct str value = STR_IN(v->config->pool);
			conf_put_value(&value, row, tables[i].conf);
			v->each(v->arg,
				pool_printf(v->config->pool, "%s%s%s", s->section,
					s->is_service   ? ":"
					: s->section[0] ? "."
							: "",
					row->name),
				str_c(&value));
		}
	return n < 0 ? -1 : 0;
}

int setting_each(struct config *config,
	void (*each)(void *arg, const char *name, const char *value), void *arg, const char **err_r)
{
	struct visit v = {config, each, arg};
	for (const struct params_table *t = params_tables; t->rows; t++)
		if (visit_section(&v, &(struct setting){.section = t->program}, err_r) < 0)
			return -1;
	for (size_t i = 0; i < conf_file_count(config->services_file); i++) {
		const char *name = conf_file_section(config->services_file, i)->name;
		if (name[0] &&
			visit_section(&v, &(struct setting){.is_service = true, .section = name},
				err_r) < 0)
			return -1;
	}
	return 0;
}
