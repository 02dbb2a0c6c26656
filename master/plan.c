/* A configuration as master sees it: the enabled services with their settings and uids. */
#include <stdio.h>

#include "base/log.h"
#include "io/net.h"
#include "master/master.h"
#include "service/shared.h"

/* Sentences that outlive the configuration they are about. */
static const char *keep_error(const char *sentence)
{
	/* Thread-local, as config_open's own: a refused plan has no pool left to keep it in. */
	static _Thread_local char kept[1024];

	snprintf(kept, sizeof(kept), "%s", sentence);
	return kept;
}

static int check_addresses(struct plan *plan, const struct planned *p, const char **err_r)
{
	struct span word;
	size_t at = 0;

	while (conf_list_next(p->conf.listen, &at, &word)) {
		struct net_addr addr;
		const char *address;
		if (service_listen_address(plan->config->pool, &plan->config->common, word,
			    &address, err_r) < 0 ||
			net_parse(address, &addr, err_r) < 0) {
			*err_r = pool_printf(plan->config->pool, "Service %s: listen: %s", p->name,
				*err_r);
			return -1;
		}
	}
	return 0;
}

static int add_service(
	struct plan *plan, const char *name, struct planned *p, const char **err_r)
{
	p->name = name;
	if (config_service(plan->config, name, &p->conf, err_r) < 0 ||
		config_user(plan->config, p->conf.user, &p->uid, &p->gid, err_r) < 0)
		return -1;
	return check_addresses(plan, p, err_r);
}

/* Those whom master itself deals with. */
static int fill_users(struct plan *plan, const char **err_r)
{
	return config_user(plan->config, "queue", &plan->queue_uid, &plan->queue_gid, err_r) < 0 ||
			config_user(plan->config, "admin", &plan->admin_uid, &plan->group, err_r) < 0
		? -1
		: 0;
}

static int fill(struct plan *plan, const char **err_r)
{
	struct conf_file *file = plan->config->services_file;
	size_t n = conf_file_count(file);

	if (config_check(plan->config, err_r) < 0 ||
		config_program(plan->config, "master", NULL, &plan->conf, err_r) < 0 ||
		fill_users(plan, err_r) < 0)
		return -1;
	plan->services = pool_array(plan->config->pool, n, sizeof(*plan->services));
	for (size_t i = 0; i < n; i++) {
		const char *name = conf_file_section(file, i)->name;
		struct planned *p = &plan->services[plan->n];
		if (!name[0])
			continue;
		if (add_service(plan, name, p, err_r) < 0)
			return -1;
		if (p->conf.enabled)
			plan->n++;
	}
	return 0;
}

int plan_read(const char *config_dir, struct plan **plan_r, const char **err_r)
{
	struct config *config;
	struct plan *plan;

	if (config_open(config_dir, &config, err_r) < 0)
		return -1;
	plan = pool_new_of(config->pool, struct plan);
	plan->config = config;
	if (fill(plan, err_r) == 0) {
		*plan_r = plan;
		return 0;
	}
	*err_r = keep_error(*err_r);
	config_free(&config);
	return -1;
}

void plan_free(struct plan **plan)
{
	struct config *config;

	if (!*plan)
		return;
	config = (*plan)->config;
	*plan = NULL;
	config_free(&config);
}
