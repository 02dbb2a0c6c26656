/* The configuration files of a new installation: every setting with its default, as comments. */
#include "admin/generate.h"
#include "admin/wrap.h"

#define WIDTH 96

static void put_row(struct str *out, const struct conf_row *row)
{
	str_putc(out, '\n');
	wrap_put_prefixed(out, row->help, "# ", WIDTH);
	if (row->words)
		str_printf(out, "# One of %s.\n", row->words);
	str_printf(out, "#%s =%s%s\n", row->name, row->dflt[0] ? " " : "", row->dflt);
}

void generate_main_conf(struct str *out)
{
	wrap_put_prefixed(out,
		"The settings of Thurn: thurn.conf(5). What is commented out is the default. What stands "
		"before the first [section] holds for all programs. thurn config check tells whether the "
		"file is right; thurn reload brings changes into force.",
		"# ", WIDTH);
	for (const struct params_table *t = params_tables; t->rows; t++) {
		if (t->program[0]) {
			str_putc(out, '\n');
			wrap_put_prefixed(out, t->help, "# ", WIDTH);
			str_printf(out, "[%s]\n", t->program);
		}
		for (const struct conf_row *row = t->rows; row->type != CONF_TYPE_END; row++)
			put_row(out, row);
	}
}

void generate_services_conf(struct str *out)
{
	wrap_put_prefixed(out,
		"The services of Thurn: which programs run, where they listen, as whom, and how many: "
		"services.conf(5). A section may also set anything that its program's section in "
		"thurn.conf may, for that service alone.",
		"# ", WIDTH);
	str_puts(out, "#\n# Each section may have:\n");
	for (const struct conf_row *row = service_conf_rows; row->type != CONF_TYPE_END; row++) {
		str_printf(out, "#   %s =%s%s\n", row->name, row->dflt[0] ? " " : "", row->dflt);
		wrap_put_prefixed(out, row->help, "#       ", WIDTH);
	}
	for (const struct params_service *s = params_services; s->name; s++)
		str_printf(out, "\n# %s\n[%s]\n%s", s->help, s->name, s->settings);
}
