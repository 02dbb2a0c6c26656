/* thurn config: what is in force, and whether it is right. */
#include <errno.h>
#include <unistd.h>

#include "admin/op.h"
#include "admin/settings.h"
#include "io/net.h"

static void add_setting(void *arg, const char *name, const char *value)
{
	struct js *entry = js_add_object(arg);
	js_put(entry, "name", name);
	js_put(entry, "value", value);
}

static int config_show(struct op_call *call)
{
	call->result = js_list(call->pool);
	return setting_each(call->config, add_setting, call->result, &call->err);
}

static int config_get(struct op_call *call)
{
	const char *name = op_str(call, "name");
	struct setting setting;
	struct str value = STR_IN(call->pool);
	int found = setting_parse(call->pool, name, &setting)
			    ? setting_get(call->config, &setting, &value, &call->err)
			    : 0;
	if (found == 0)
		return op_fail(call, "There is no setting \"%s\".", name);
	if (found < 0)
		return -1;
	call->result = js_text(call->pool, str_c(&value));
	return 0;
}

static int check_listen(struct op_call *call, const char *service, const char *listen)
{
	struct span word;
	struct net_addr addr;
	const char *why;
	for (size_t at = 0; conf_list_next(listen, &at, &word);)
		if (!span_has_prefix(word, SPAN_LIT("unix:")) &&
			net_parse(pool_span(call->pool, word), &addr, &why) < 0)
			return op_fail(call, "%s: service %s: listen: %s",
				conf_file_path(call->config->services_file), service, why);
	return 0;
}

static int check_services(struct op_call *call)
{
	struct conf_file *file = call->config->services_file;
	for (size_t i = 1; i < conf_file_count(file); i++) {
		struct service_conf conf;
		const char *name = conf_file_section(file, i)->name;
		if (config_service(call->config, name, &conf, &call->err) < 0 ||
			check_listen(call, name, conf.listen) < 0)
			return -1;
	}
	return 0;
}

static int check_file(struct op_call *call, const char *name, const char *path)
{
	if (!path[0] || access(path, R_OK) == 0)
		return 0;
	return op_fail(call, "%s: %s can't be read: %s.", name, path, strerror(errno));
}

static int config_check_op(struct op_call *call)
{
	struct config *config = call->config;
	if (config_check(config, &call->err) < 0 || check_services(call) < 0 ||
		check_file(call, "tls_cert", config->common.tls_cert) < 0 ||
		check_file(call, "tls_key", config->common.tls_key) < 0 ||
		check_file(call, "tls_ca", config->common.tls_ca) < 0)
		return -1;
	call->result = js_object(call->pool);
	js_put(call->result, "config", config->dir);
	js_put(call->result, "status", "right");
	return 0;
}

const struct op op_config_rows[] = {
	{
		.name = "config show",
		.method = "GET",
		.path = "/config",
		.role = OP_ADMIN,
		.flags = OP_IDEMPOTENT,
		.columns = "name value",
		.run = config_show,
		.help = "Every setting in force: name, program.name and service:name.",
	},
	{
		.name = "config get",
		.method = "GET",
		.path = "/config/{name}",
		.params = {{"name", OP_NAME, 0,
			"hostname, smtpd.command_timeout, submission:mode"}},
		.role = OP_ADMIN,
		.flags = OP_IDEMPOTENT,
		.run = config_get,
		.help = "The value of one setting.",
	},
	{
		.name = "config check",
		.method = "GET",
		.path = "/config?check",
		.role = OP_ADMIN,
		.flags = OP_IDEMPOTENT,
		.run = config_check_op,
		.help = "Reads both files as the programs would, and names the first mistake by file and "
			"line.",
	},
	{.name = NULL},
};
