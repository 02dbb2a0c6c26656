/*
 * thurn: the administrator's command line.
 *
 * Trust: argv and the environment of whoever runs it, with that user's rights and no others.
 * Owns:  nothing; asks the owners of what it changes.
 * Talks: directoryd, qmgr and master by their sockets in run_dir.
 *
 * Exit status: 0 done, 1 failed with one sentence on standard error, 2 usage.
 */
#include <stdio.h>
#include <stdlib.h>

#include "admin/format.h"
#include "admin/help.h"
#include "admin/op.h"
#include "admin/secret.h"

#define DEFAULT_CONFIG "/etc/thurn"

enum { EXIT_DONE, EXIT_FAILED, EXIT_USAGE };

struct cli {
	struct op_call call;
	bool json;
	const char **words; /* argv without the general options */
	size_t n;
};

static int usage(const char *sentence, const struct op *op)
{
	struct str out = STR_INIT;
	str_printf(&out, "%s\nusage: thurn [-C DIR] [--json] ", sentence);
	if (op)
		help_put_usage(&out, op);
	else
		str_puts(&out, "COMMAND ...   (thurn help lists them)");
	fprintf(stderr, "%s\n", str_c(&out));
	str_fini(&out);
	return EXIT_USAGE;
}

static int show_help(const char *const *words, size_t n)
{
	struct str out = STR_INIT;
	size_t used;
	const struct op *op = op_find(words, n, &used);
	if (op && !(op->flags & OP_HIDDEN)) {
		help_put_op(&out, op);
	} else {
		str_puts(&out,
			"usage: thurn [-C DIR] [--json] COMMAND ...\n\n"
			"  -C DIR  the configuration folder; " DEFAULT_CONFIG " if not given\n"
			"  --json  results as JSON\n\n");
		if (!help_put_list(&out, n ? words[0] : NULL)) {
			str_fini(&out);
			return usage("There is no such command.", NULL);
		}
		str_puts(&out, "\nthurn help COMMAND tells more.\n");
	}
	fputs(str_c(&out), stdout);
	str_fini(&out);
	return EXIT_DONE;
}

/* Takes -C and --json, which may stand anywhere before a "--", out of argv. */
static int take_general_options(struct cli *cli, int argc, char **argv)
{
	bool open = true;
	cli->words = pool_array(cli->call.pool, (size_t)argc + 1, sizeof(*cli->words));
	for (int i = 1; i < argc; i++) {
		if (open && strcmp(argv[i], "--json") == 0) {
			cli->json = true;
		} else if (open && strcmp(argv[i], "-C") == 0) {
			if (++i == argc)
				return usage("-C needs a folder.", NULL);
			cli->call.config_dir = argv[i];
		} else {
			open = open && strcmp(argv[i], "--") != 0;
			cli->words[cli->n++] = argv[i];
		}
	}
	return EXIT_DONE;
}

static const struct op_param *find_option(const struct op *op, struct span name)
{
	for (size_t i = 0; i < OP_PARAMS_MAX && op->params[i].name; i++)
		if (op->params[i].flags & OP_OPTION && span_is(name, op->params[i].name))
			return &op->params[i];
	return NULL;
}

static const struct op_param *next_position(const struct op_call *call)
{
	for (size_t i = 0; i < OP_PARAMS_MAX && call->op->params[i].name; i++)
		if (!(call->op->params[i].flags & OP_OPTION) &&
			(!call->values[i].n || call->op->params[i].flags & OP_MANY))
			return &call->op->params[i];
	return NULL;
}

/* --name value or --name=value. *i is moved past what was taken. */
static int take_option(struct cli *cli, size_t *i)
{
	struct op_call *call = &cli->call;
	const char *word = cli->words[*i];
	struct span name = span_of(word + 2);
	size_t eq = span_index(name, 0, '=');
	const char *value = eq < name.n ? name.p + eq + 1 : NULL;
	const struct op_param *p = find_option(call->op, span_make(name.p, eq));

	if (!p)
		return op_fail(call, "There is no option %.100s.", word);
	if (p->type == OP_FLAG)
		return value ? op_fail(call, "--%s takes no value.", p->name) : op_set(call, p, "");
	if (!value && *i + 1 == cli->n)
		return op_fail(call, "--%s needs a value.", p->name);
	return op_set(call, p, value ? value : cli->words[++*i]);
}

static int take_arguments(struct cli *cli, size_t first)
{
	struct op_call *call = &cli->call;
	bool options = true;
	for (size_t i = first; i < cli->n; i++) {
		const char *word = cli->words[i];
		const struct op_param *p = next_position(call);
		if (options && strcmp(word, "--") == 0)
			options = false;
		else if (options && strncmp(word, "--", 2) == 0) {
			if (take_option(cli, &i) < 0)
				return -1;
		} else if (!p)
			return op_fail(call, "\"%.100s\" is too much.", word);
		else if (op_set(call, p, word) < 0)
			return -1;
	}
	return op_check_complete(call);
}

static void print_result(struct cli *cli)
{
	struct str out = STR_INIT;
	if (cli->json || cli->call.op->flags & OP_ALWAYS_JSON)
		format_json(&out, cli->call.result);
	else if (cli->call.result)
		format_text(&out, cli->call.op, cli->call.result);
	fwrite(str_c(&out), 1, out.len, stdout);
	str_fini(&out);
}

static int fail(struct cli *cli)
{
	fprintf(stderr, "%s\n", cli->call.err);
	return EXIT_FAILED;
}

static int run(struct cli *cli)
{
	struct op_call *call = &cli->call;
	if (!(call->op->flags & OP_NO_CONFIG) &&
		config_open(call->config_dir, &call->config, &call->err) < 0)
		return fail(cli);
	if (secret_ask(call) < 0 || call->op->run(call) < 0)
		return fail(cli);
	print_result(cli);
	if (fflush(stdout) == 0 && !ferror(stdout))
		return EXIT_DONE;
	call->err = "Standard output can't be written.";
	return fail(cli);
}

static bool is_help(const char *word)
{
	return strcmp(word, "help") == 0 || strcmp(word, "--help") == 0 || strcmp(word, "-h") == 0;
}

static int command(struct cli *cli)
{
	size_t used;
	if (!cli->n)
		return usage("A command is missing.", NULL);
	if (is_help(cli->words[0]))
		return show_help(cli->words + 1, cli->n - 1);
	cli->call.op = op_find(cli->words, cli->n, &used);
	if (!cli->call.op)
		return usage("There is no such command.", NULL);
	if (cli->n > used && strcmp(cli->words[used], "--help") == 0)
		return show_help(cli->words, used);
	if (take_arguments(cli, used) < 0)
		return usage(cli->call.err, cli->call.op);
	return run(cli);
}

int main(int argc, char **argv)
{
	struct cli cli = {.call = {.config_dir = DEFAULT_CONFIG}};
	cli.call.pool = pool_new("thurn");
	int status = take_general_options(&cli, argc, argv);
	if (status == EXIT_DONE)
		status = command(&cli);
	config_free(&cli.call.config);
	pool_free(&cli.call.pool);
	return status;
}
