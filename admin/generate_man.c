/* Manual pages (mdoc) from the tables. */
#include "admin/generate.h"

#define PAGE_DATE "November 22, 2026"

#define LINE_WIDTH 76

static void put_word(struct str *out, struct span word)
{
	for (size_t i = 0; i < word.n; i++)
		if (word.p[i] == '\\')
			str_puts(out, "\\e");
		else
			str_putc(out, word.p[i]);
}

/* Text that mdoc takes literally: short lines, each sentence on its own. */
static void put_text(struct str *out, const char *text)
{
	struct span rest = span_of(text), word;
	size_t column = 0;
	while (span_split(&rest, ' ', &word)) {
		bool sentence = out->len && out->s[out->len - 1] == '.';
		if (column && (sentence || column + 1 + word.n > LINE_WIDTH)) {
			str_putc(out, '\n');
			column = 0;
		}
		if (column)
			str_putc(out, ' ');
		else if (word.n && (word.p[0] == '.' || word.p[0] == '\''))
			str_puts(out, "\\&");
		put_word(out, word);
		column += word.n + 1;
	}
	str_putc(out, '\n');
}

/* An argument of a macro: one word, whatever is in it. */
static void put_arg(struct str *out, const char *text)
{
	str_puts(out, " \"\\&");
	for (; *text; text++)
		str_puts(out, *text == '\\' ? "\\e" : *text == '"' ? "\\(dq" : (char[2]){*text});
	str_puts(out, "\\&\"");
}

static void put_head(struct str *out, const char *name, int section, const char *what)
{
	str_printf(out, ".\\\" Made from the tables in the source.\n.Dd " PAGE_DATE "\n.Dt ");
	for (const char *p = name; *p; p++)
		str_putc(out, (char)ascii_upper((unsigned char)*p));
	str_printf(out, " %d\n.Os\n.Sh NAME\n.Nm %s\n.Nd %s\n", section, name, what);
}

static void put_rows(struct str *out, const struct conf_row *rows)
{
	str_puts(out, ".Bl -tag -width Ds\n");
	for (const struct conf_row *row = rows; row->type != CONF_TYPE_END; row++) {
		str_printf(out, ".It Ic %s", row->name);
		if (row->dflt[0]) {
			str_puts(out, " Ns = Ns Ar");
			put_arg(out, row->dflt);
		}
		str_putc(out, '\n');
		put_text(out, row->help);
		if (row->words) {
			str_puts(out, "One of\n.Ql");
			put_arg(out, row->words);
			str_puts(out, " .\n");
		}
	}
	str_puts(out, ".El\n");
}

void generate_conf_page(struct str *out)
{
	put_head(out, "thurn.conf", 5, "the settings of the Thurn mail server");
	str_puts(out,
		".Sh DESCRIPTION\n"
		"A setting is a line\n.Ql name = value .\n"
		"What stands before the first section holds for all programs;\nwhat stands in a section\n"
		".Ql [program]\nholds for that program.\n"
		"A line that begins with blanks continues the one before; a line that begins with\n.Ql #\n"
		"is a comment.\n"
		"Unknown names and values that cannot be are errors.\n"
		".Pp\nSizes are octets, with\n.Cm k , M , G\nor\n.Cm T\nbehind the number.\n"
		"Times are seconds, or have the units\n.Cm ms , s , m , h , d\nand\n.Cm w :\n"
		".Ql 1h30m .\nLists are separated by blanks or commas.\n"
		"Defaults are shown behind the names.\n");
	for (const struct params_table *t = params_tables; t->rows; t++) {
		if (t->program[0])
			str_printf(out, ".Ss Program %s\n", t->program);
		else
			str_puts(out, ".Ss Before any section\n");
		put_text(out, t->help);
		put_rows(out, t->rows);
	}
	str_puts(out, ".Sh FILES\n.Bl -tag -width Ds\n.It Pa /etc/thurn/thurn.conf\n.El\n"
		      ".Sh SEE ALSO\n.Xr services.conf 5 ,\n.Xr thurn 8\n");
}

void generate_services_page(struct str *out)
{
	put_head(out, "services.conf", 5, "the services of the Thurn mail server");
	str_puts(out,
		".Sh DESCRIPTION\nEach section\n.Ql [name]\n"
		"is a service: a program, where it listens, as whom it runs, and in how many\n"
		"processes.\n"
		"Besides the settings below, a section may have any of its program's in\n"
		".Xr thurn.conf 5 ,\nwhich then holds for this service alone.\n");
	put_rows(out, service_conf_rows);
	str_puts(out, ".Sh SERVICES\nA new installation has these:\n.Bl -tag -width Ds\n");
	for (const struct params_service *s = params_services; s->name; s++) {
		str_printf(out, ".It Ic %s\n", s->name);
		put_text(out, s->help);
	}
	str_puts(out, ".El\n.Sh FILES\n.Bl -tag -width Ds\n.It Pa /etc/thurn/services.conf\n.El\n"
		      ".Sh SEE ALSO\n.Xr thurn.conf 5 ,\n.Xr thurn 8\n");
}

static void put_param(struct str *out, const struct op_param *p)
{
	bool optional = p->flags & (OP_OPTION | OP_OPTIONAL);
	str_puts(out, optional ? " Oo" : "");
	if (p->flags & OP_OPTION)
		str_printf(out, " Fl -%s", p->name);
	if (p->type != OP_FLAG)
		str_printf(out, " Ar %s", p->name);
	str_puts(out, optional ? " Oc" : "");
	str_puts(out, p->flags & OP_MANY ? " Ns ..." : "");
}

static void put_op(struct str *out, const struct op *op)
{
	str_printf(out, ".It Ic %s", op->name);
	for (size_t i = 0; i < OP_PARAMS_MAX && op->params[i].name; i++)
		put_param(out, &op->params[i]);
	str_putc(out, '\n');
	put_text(out, op->help);
	for (size_t i = 0; i < OP_PARAMS_MAX && op->params[i].name; i++) {
		str_puts(out, i ? "" : ".Bl -tag -width Ds -compact\n");
		str_printf(out, op->params[i].flags & OP_OPTION ? ".It Fl -%s\n" : ".It Ar %s\n",
			op->params[i].name);
		put_text(out, op->params[i].help);
	}
	str_puts(out, op->params[0].name ? ".El\n" : "");
}

void generate_command_page(struct str *out)
{
	put_head(out, "thurn", 8, "administer the Thurn mail server");
	str_puts(out,
		".Sh SYNOPSIS\n.Nm\n.Op Fl C Ar dir\n.Op Fl -json\n.Ar command ...\n"
		".Sh DESCRIPTION\n.Bl -tag -width Ds\n.It Fl C Ar dir\nThe configuration folder;\n"
		".Pa /etc/thurn\nif not given.\n.It Fl -json\nResults as one JSON value.\n.El\n"
		".Pp\nThe commands are:\n.Bl -tag -width Ds\n");
	for (size_t t = 0; op_tables[t]; t++)
		for (const struct op *op = op_tables[t]; op->name; op++)
			if (!(op->flags & OP_HIDDEN))
				put_op(out, op);
	str_puts(out,
		".El\n.Sh EXIT STATUS\n0 when it was done; 1 when it failed, with one sentence on "
		"standard error; 2 for wrong usage.\n"
		".Sh SEE ALSO\n.Xr services.conf 5 ,\n.Xr thurn.conf 5\n");
}

void generate_daemon_page(struct str *out, const struct params_table *program)
{
	const char *name = program->program;
	struct str page = STR_INIT;
	str_printf(&page, "thurn-%s", name);
	put_head(out, str_c(&page), 8, "a program of the Thurn mail server");
	str_puts(out, ".Sh DESCRIPTION\n");
	put_text(out, program->help);
	str_printf(out,
		"It is started by master as the services of\n.Xr services.conf 5\nsay, and reads "
		"section\n.Ql [%s]\nof\n.Xr thurn.conf 5 :\n",
		name);
	put_rows(out, program->rows);
	str_puts(out, ".Sh SEE ALSO\n.Xr services.conf 5 ,\n.Xr thurn.conf 5 ,\n.Xr thurn 8\n");
	str_fini(&page);
}
