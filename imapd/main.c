/*
 * imapd: serves mailboxes by IMAP to clients that have logged in.
 *
 * Trust: reads hostile bytes: the client's commands and, of messages, what SEARCH and APPEND look
 *        at. The client is known by the ticket that its login program hands over; only login
 *        programs may connect.
 * Owns:  nothing; all state is the store's.
 * Talks: to its clients (directly, or through their login program), to directoryd (tickets, accounts that are gone).
 */
#include "imapd/session.h"

#include "mail/charset.h"
#include "store/config.h"

static void stop_fiber(void *arg)
{
	struct imapd *imapd = arg;

	while (!imapd->svc->closing)
		fiber_wait(service_stop_cond(imapd->svc), IO_FOREVER);
	session_stop_all(imapd);
}

static int start_user(struct service_ctx *svc, const char **err_r)
{
	struct imapd *imapd = pool_new_of(svc->pool, struct imapd);

	imapd->svc = svc;
	imapd->conf = svc->params;
	imapd->watches = hash_new();
	imapd->turns = hash_new();
	list_init(&imapd->sessions);
	if (store_open_config(svc->config, &imapd->store, err_r) < 0)
		return -1;
	imapd->accounts = auth_accounts_new(service_ipc_client(svc, "directory-auth"));
	charset_warm();
	svc->state = imapd;
	fiber_start("stop", stop_fiber, imapd);
	return 0;
}

static void stop(struct service_ctx *svc)
{
	struct imapd *imapd = svc->state;

	fiber_group_wait(&imapd->watching, IO_FOREVER);
	store_close(&imapd->store);
}

static const struct service imapd_service = {
	.name       = "imapd",
	.flags      = SERVICE_RAW,
	.conf_rows  = imapd_conf_rows,
	.conf_size  = sizeof(struct imapd_conf),
	.start_user = start_user,
	.serve      = session_serve,
	.stop       = stop,
};

int main(int argc, char **argv)
{
	return service_run(&imapd_service, argc, argv);
}
