/*
 * bounce: writes delivery reports (RFC 3461-3464) for qmgr.
 *
 * Trust: reads message content, to return its header or all of it; parses no more than where the
 * header ends.
 * Owns: nothing. The report goes to qmgr, which puts it into its own segment (rule 5).
 * Talks to: qmgr.
 */
#include "qmgr/bounce/bounce.h"

static int start_user(struct service_ctx *svc, const char **err_r)
{
	const struct bounce_conf *conf = svc->params;
	struct agent *self = pool_new_of(svc->pool, struct agent);
	*self = (struct agent){
		.name = "bounce",
		.concurrency = (unsigned)conf->deliveries,
		.segments = true,
		.deliver = bounce_deliver,
	};
	return agent_start(svc, self, err_r);
}

static const struct service bounce = {
	.name = "bounce",
	.flags = SERVICE_NO_NET,
	.conf_rows = bounce_conf_rows,
	.conf_size = sizeof(struct bounce_conf),
	.start_user = start_user,
};

int main(int argc, char **argv)
{
	return service_run(&bounce, argc, argv);
}
