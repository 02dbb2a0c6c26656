/* thurn alias: addresses that stand for others. */
#include "admin/dir_ask.h"

static int change(struct op_call *call, const struct ipc_msg *request)
{
	const struct op_values *values = op_many(call, "target");
	ARRAY(struct dir_target) targets = ARRAY_IN(call->pool);
	for (size_t i = 0; i < values->n; i++)
		array_add(&targets)->address = values->v[i];
	struct dir_alias_change rq = {
		.address = op_str(call, "alias"), .targets = {targets.v, targets.n}};
	return dir_change(call, request, &rq);
}

static int alias_add(struct op_call *call)
{
	return change(call, &dir_alias_add_msg);
}

static int alias_remove(struct op_call *call)
{
	return change(call, &dir_alias_remove_msg);
}

static void add_alias(struct op_call *call, const struct dir_entry *entry)
{
	struct js *alias = js_add_object(call->result), *targets;
	struct span rest = span_of(entry->text), target;
	js_put(alias, "source", entry->name);
	targets = js_put_list(alias, "targets");
	while (span_split(&rest, ',', &target))
		js_add(targets, pool_span(call->pool, span_trim(target)));
}

static int alias_list(struct op_call *call)
{
	call->result = js_list(call->pool);
	return dir_each(call, &dir_alias_list_msg, op_str(call, "match"), add_alias);
}

#define ALIAS                                                                                      \
	{                                                                                          \
		"alias", OP_ALIAS, 0,                                                              \
			"The address that stands for others; @domain: all of the domain that are " \
			"nobody's."                      \
	}

const struct op op_alias_rows[] = {
	{
		.name = "alias add",
		.method = "PUT",
		.path = "/address/aliases/{target}/sources/{alias}",
		.params = {ALIAS, {"target", OP_ADDRESS, OP_MANY, "Where its mail goes."}},
		.role = OP_ADMIN,
		.flags = OP_IDEMPOTENT,
		.run = alias_add,
		.help = "Adds targets to an alias, which is made if it is not there.",
	},
	{
		.name = "alias remove",
		.method = "DELETE",
		.path = "/address/aliases/{target}/sources/{alias}",
		.params = {ALIAS,
			{"target", OP_ADDRESS, OP_MANY | OP_OPTIONAL,
				"What it no longer stands for; none given: the whole alias goes."}},
		.role = OP_ADMIN,
		.flags = OP_IDEMPOTENT,
		.run = alias_remove,
		.help = "Removes targets of an alias, or the alias.",
	},
	{
		.name = "alias list",
		.method = "GET",
		.path = "/address/aliases",
		.params = {{"match", OP_NAME, OP_OPTIONAL, "An address, or @domain."}},
		.role = OP_READ,
		.flags = OP_IDEMPOTENT,
		.columns = "source targets",
		.run = alias_list,
		.help = "The aliases and what they stand for.",
	},
	{.name = NULL},
};
