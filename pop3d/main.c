#include "pop3d/pop3d.h"

#include "store/config.h"

static void stop_fiber(void *arg)
{
	struct pop3d *daemon = arg;
	while (!daemon->svc->closing)
		fiber_wait(service_stop_cond(daemon->svc), IO_FOREVER);
	pop3_stop_all(daemon);
}

static int start_user(struct service_ctx *svc, const char **err_r)
{
	struct pop3d *daemon = pool_new_of(svc->pool, struct pop3d);
	daemon->svc = svc;
	daemon->conf = svc->params;
	daemon->accounts = auth_accounts_new(service_ipc_client(svc, "directory-auth"));
	list_init(&daemon->sessions);
	svc->state = daemon;
	if (store_open_config(svc->config, &daemon->store, err_r) != 0)
		return -1;
	fiber_start("stop", stop_fiber, daemon);
	return 0;
}

static void stop(struct service_ctx *svc)
{
	struct pop3d *daemon = svc->state;
	store_close(&daemon->store);
}

static const struct service pop3d = {
	.name = "pop3d",
	.flags = SERVICE_RAW | SERVICE_NO_NET,
	.conf_rows = pop3d_conf_rows,
	.conf_size = sizeof(struct pop3d_conf),
	.start_user = start_user,
	.serve = pop3_serve,
	.stop = stop,
};

int main(int argc, char **argv)
{
	return service_run(&pop3d, argc, argv);
}
