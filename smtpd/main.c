/* Trust, Owns, Talks: smtpd/smtpd.h. */
#include "smtpd/smtpd.h"

#include "base/log.h"
#include "smtpd/peer_name.h"
#include "smtpd/session.h"

/* A segment ends here; a message may make it longer. */
#define SEGMENT_SIZE (64 * 1024 * 1024)
/* Of a message in memory; the rest goes to a temporary file. So many octets may each of all connections hold. */
#define MEMORY_MAX (256 * 1024)

static int new_segment(void *arg, uint64_t *id_r, const char **err_r)
{
	int fd = service_new_segment(arg, id_r, err_r);
	return fd == SERVICE_NO_SPACE ? SEGMENT_NO_SPACE : fd;
}

static int new_temp(void *arg, const char **err_r)
{
	return service_new_temp(arg, err_r);
}

static int start_root(struct service_ctx *svc, const char **err_r)
{
	struct smtpd *d = pool_new_of(svc->pool, struct smtpd);
	svc->state = d;
	d->svc = svc;
	d->conf = svc->params;
	d->common = svc->common;
	d->mode = mode_find(d->conf->mode);
	list_init(&d->sessions);
	if (d->conf->reverse_lookup && d->mode->bit != MODE_LOCAL &&
		peer_names_open(d->common->dns_servers, &d->names, err_r) < 0)
		return -1;
	return net_list_parse(svc->pool, d->common->networks, &d->networks, err_r);
}

static void watch_stop(void *arg)
{
	struct smtpd *d = arg;
	while (!d->svc->closing)
		fiber_wait(service_stop_cond(d->svc), IO_FOREVER);
	session_stop_all(d);
}

/* A burst of mail for the same people asks once. */
static const struct route_cache_conf kept_routes = {.keep_ms = 100, .max = 4096, .answers = true};

static int start_user(struct service_ctx *svc, const char **err_r)
{
	struct smtpd *d = svc->state;
	(void)err_r;
	d->tls = service_tls(svc);
	d->directory = service_ipc_client(svc, "directory");
	d->auth = service_ipc_client(svc, "directory-auth");
	d->qmgr = service_ipc_client(svc, "queue");
	d->accounts = auth_accounts_new(d->auth);
	d->mechs = mech_cache_new();
	d->routes = route_cache_new(d->directory, &kept_routes);
	const struct submitter_conf conf = {
		.source = new_segment,
		.arg = svc,
		.qmgr = d->qmgr,
		.segment_size = SEGMENT_SIZE,
		.memory_max = MEMORY_MAX,
		.disk_reserve = d->common->disk_reserve,
		.temp = new_temp,
	};
	d->submitter = submitter_new(&conf);
	fiber_start("stop watch", watch_stop, d);
	return 0;
}

static void stop(struct service_ctx *svc)
{
	struct smtpd *d = svc->state;
	submitter_free(&d->submitter);
	ipc_client_free(&d->directory);
	ipc_client_free(&d->auth);
	ipc_client_free(&d->qmgr);
	mech_cache_free(&d->mechs);
	route_cache_free(&d->routes);
	peer_names_close(&d->names);
}

static const struct mode modes[];

const struct mode *mode_find(const char *name)
{
	const struct mode *m = modes;
	while (m->name && strcmp(m->name, name) != 0)
		m++;
	if (!m->name)
		log_panic("no mode %s", name);
	return m;
}

static const struct mode modes[] = {
	{
		.name = "smtp",
		.bit = MODE_SMTP,
		.greeting = "ESMTP Thurn",
		.offers_auth = true,
		.shy = true,
	},
	{
		.name = "submission",
		.bit = MODE_SUBMISSION,
		.greeting = "ESMTP Thurn",
		.needs_auth = true,
		.offers_auth = true,
		.owns_sender = true,
		.completes_header = true,
		.shy = true,
	},
	{
		.name = "lmtp",
		.bit = MODE_LMTP,
		.greeting = "LMTP Thurn",
		.reply_each = true,
	},
	{
		.name = "local",
		.bit = MODE_LOCAL,
		.greeting = "ESMTP Thurn",
		.completes_header = true,
		.bare_names = true,
	},
	{.name = NULL},
};

static const struct service smtpd = {
	.name = "smtpd",
	.tls = &tls_server,
	.conf_rows = smtpd_conf_rows,
	.conf_size = sizeof(struct smtpd_conf),
	.start_root = start_root,
	.start_user = start_user,
	.serve = session_serve,
	.stop = stop,
	.over_limit_reply = "421 4.7.0 Too many connections from your address\r\n",
	.too_busy_reply = "421 4.3.2 Too many connections\r\n",
};

int main(int argc, char **argv)
{
	return service_run(&smtpd, argc, argv);
}
