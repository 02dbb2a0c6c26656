#include "admin/help.h"

#include "admin/wrap.h"

static void put_upper(struct str *out, const char *name)
{
	for (; *name; name++)
		str_putc(out, *name == '-' ? '_' : (char)ascii_upper((unsigned char)*name));
}

static void put_param_usage(struct str *out, const struct op_param *p)
{
	bool optional = p->flags & (OP_OPTION | OP_OPTIONAL);
	str_puts(out, optional ? " [" : " ");
	if (p->flags & OP_OPTION)
		str_printf(out, "--%s%s", p->name, p->type == OP_FLAG ? "" : " ");
	if (p->type != OP_FLAG)
		put_upper(out, p->name);
	str_puts(out, optional ? "]" : "");
	str_puts(out, p->flags & OP_MANY ? "..." : "");
}

void help_put_usage(struct str *out, const struct op *op)
{
	str_puts(out, op->name);
	for (size_t i = 0; i < OP_PARAMS_MAX && op->params[i].name; i++)
		put_param_usage(out, &op->params[i]);
}

void help_put_op(struct str *out, const struct op *op)
{
	str_puts(out, "usage: thurn [-C DIR] [--json] ");
	help_put_usage(out, op);
	str_puts(out, "\n\n");
	wrap_put(out, op->help, 0, 78);
	for (size_t i = 0; i < OP_PARAMS_MAX && op->params[i].name; i++) {
		struct str left = STR_INIT;
		if (op->params[i].flags & OP_OPTION)
			str_printf(&left, "--%s", op->params[i].name);
		else
			put_upper(&left, op->params[i].name);
		str_printf(out, "%s  %-17s ", i ? "" : "\n", str_c(&left));
		wrap_put(out, op->params[i].help, 20, 78);
		str_fini(&left);
	}
}

static bool is_topic(const struct op *op, const char *topic)
{
	size_t n = strcspn(op->name, " ");
	return !topic || span_is(span_make(op->name, n), topic);
}

bool help_put_list(struct str *out, const char *topic)
{
	bool any = false;
	for (size_t t = 0; op_tables[t]; t++)
		for (const struct op *op = op_tables[t]; op->name; op++) {
			if (op->flags & OP_HIDDEN || !is_topic(op, topic))
				continue;
			str_puts(out, "  ");
			help_put_usage(out, op);
			str_putc(out, '\n');
			any = true;
		}
	return any;
}
