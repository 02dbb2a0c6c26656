/* thurn domain: the domains whose mail is ours. */
#include "admin/dir_ask.h"

static int domain_add(struct op_call *call)
{
	struct dir_name rq = {op_str(call, "domain")};
	return dir_change(call, &dir_domain_add_msg, &rq);
}

static int domain_remove(struct op_call *call)
{
	struct dir_name rq = {op_str(call, "domain")};
	return dir_change(call, &dir_domain_remove_msg, &rq);
}

static void add_name(struct op_call *call, const struct dir_entry *entry)
{
	js_add(call->result, entry->name);
}

static int domain_list(struct op_call *call)
{
	call->result = js_list(call->pool);
	return dir_each(call, &dir_domain_list_msg, NULL, add_name);
}

#define DOMAIN                                                                                     \
	{                                                                                          \
		"domain", OP_DOMAIN, 0, "Name of the domain."                                      \
	}

const struct op op_domain_rows[] = {
	{
		.name = "domain add",
		.method = "PUT",
		.path = "/domains/{domain}",
		.params = {DOMAIN},
		.role = OP_ADMIN,
		.flags = OP_IDEMPOTENT,
		.run = domain_add,
		.help = "Takes mail for a domain from now on.",
	},
	{
		.name = "domain remove",
		.method = "DELETE",
		.path = "/domains/{domain}",
		.params = {DOMAIN},
		.role = OP_ADMIN,
		.flags = OP_IDEMPOTENT,
		.run = domain_remove,
		.help = "Takes no more mail for a domain. A domain that still has users or aliases is "
			"not removed.",
	},
	{
		.name = "domain list",
		.method = "GET",
		.path = "/domains",
		.role = OP_READ,
		.flags = OP_IDEMPOTENT,
		.run = domain_list,
		.help = "The domains whose mail is ours.",
	},
	{.name = NULL},
};
