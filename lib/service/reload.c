/* SERVICE_SINGLE programs live through a reload: they read the configuration again, in place. */
#include "base/log.h"
#include "service/engine.h"

/* What the program held of the old configuration stays valid: fibers may be using it. A reload costs its few
 * kilobytes for good; operators reload rarely. */
static int read_again(struct engine *e, const char **err_r)
{
	struct service_ctx *svc = &e->ctx;
	struct service_conf *conf = pool_new_of(svc->pool, struct service_conf);
	void *params = pool_alloc(svc->pool, svc->service->conf_size + 1);
	struct config *config;

	if (config_open(svc->config->dir, &config, err_r) < 0)
		return -1;
	if (config_service(config, svc->instance, conf, err_r) < 0 ||
		(svc->service->conf_rows && config_program(config, svc->service->name,
						    svc->instance, params, err_r) < 0)) {
		*err_r = pool_strdup(svc->pool, *err_r);
		config_free(&config);
		return -1;
	}
	svc->config = config;
	svc->common = &config->common;
	svc->conf = conf;
	svc->params = params;
	return 0;
}

void engine_reload(void *engine)
{
	struct engine *e = engine;
	const char *err;

	if (e->ctx.stopping)
		return;
	if (read_again(e, &err) < 0) {
		log_error("The configuration stays as it was: %s", err);
		return;
	}
	if (e->ctx.service->reload)
		e->ctx.service->reload(&e->ctx);
	log_info("reloaded service=%s", e->ctx.instance);
}
