#include "pop3d/pop3d.h"

#include "store/config.h"

static void serve(struct service_ctx *svc, int fd)
{
	pop3_serve(svc->state, fd);
}

static int start_user(struct service_ctx *svc, const char **err_r)
{
	struct pop3d *daemon = pool_new_of(svc->pool, struct pop3d);
	daemon->svc = svc;
	daemon->conf = svc->params;
	daemon->directory = service_ipc_client(svc, "directory-auth");
	svc->state = daemon;
	return store_open_config(svc->config, &daemon->store, err_r);
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
	.serve_fd = serve,
	.stop = stop,
};

int main(int argc, char **argv)
{
	return service_run(&pop3d, argc, argv);
}
