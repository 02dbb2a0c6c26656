/* Trust, Owns, Talks: qmgr/smtp/smtp.h. */
#include "qmgr/smtp/smtp.h"

static void deliver(struct service_ctx *svc, struct agent_job *job)
{
	smtp_deliver(svc->state, job);
}

static int start_root(struct service_ctx *svc, const char **err_r)
{
	struct smtp_agent *agent;
	if (smtp_agent_new(svc->pool, svc->params, svc->common->hostname, svc->common->dns_servers,
		    svc->common->tls_ca, &agent, err_r) < 0)
		return -1;
	svc->state = agent;
	return 0;
}

static int start_user(struct service_ctx *svc, const char **err_r)
{
	const struct smtp_conf *conf = svc->params;
	struct agent *self = pool_new_of(svc->pool, struct agent);
	*self = (struct agent){
		.name = "smtp",
		.concurrency = (unsigned)conf->deliveries,
		.deliver = deliver,
	};
	return agent_start(svc, self, err_r);
}

static void stop(struct service_ctx *svc)
{
	struct smtp_agent *agent = svc->state;
	smtp_agent_free(&agent);
	svc->state = NULL;
}

static const struct service smtp = {
	.name = "smtp",
	.conf_rows = smtp_conf_rows,
	.conf_size = sizeof(struct smtp_conf),
	.start_root = start_root,
	.start_user = start_user,
	.stop = stop,
};

int main(int argc, char **argv)
{
	return service_run(&smtp, argc, argv);
}
