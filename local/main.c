/*
 * local: delivers messages into the message store.
 *
 * Trust: reads message content from spool segments, parses it (lib/mail, pure and bounded); jobs
 * come from qmgr.
 * Owns: nothing of its own; writes accounts' logs and its own pack through lib/store.
 * Talks to: qmgr (jobs, outcomes), directoryd (who is over quota).
 */
#include "base/log.h"
#include "local/local.h"
#include "store/config.h"

static int start_user(struct service_ctx *svc, const char **err_r)
{
	struct local *l = pool_new_of(svc->pool, struct local);
	svc->state = l;
	l->svc = svc;
	l->conf = svc->params;
	l->targets = hash_new();
	if (store_open_config(svc->config, &l->store, err_r) < 0)
		return -1;
	l->directory = service_ipc_client(svc, "directory");
	quota_start(l);
	struct agent *self = pool_new_of(svc->pool, struct agent);
	*self = (struct agent){
		.name = "local",
		.concurrency = (unsigned)l->conf->deliveries,
		.segments = true,
		.deliver = local_deliver,
	};
	return agent_start(svc, self, err_r);
}

static void stop(struct service_ctx *svc)
{
	struct local *l = svc->state;
	quota_forget_all(l);
	store_close(&l->store);
}

static const struct service local = {
	.name = "local",
	.flags = SERVICE_NO_NET,
	.conf_rows = local_conf_rows,
	.conf_size = sizeof(struct local_conf),
	.start_user = start_user,
	.stop = stop,
};

int main(int argc, char **argv)
{
	return service_run(&local, argc, argv);
}
