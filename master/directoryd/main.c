#include "master/directoryd/directoryd.h"

#include <sys/socket.h>
#include <sys/un.h>

#include "base/log.h"

static void run_resolve(struct ipc_server_conn *conn, struct ipc_request *rq, void *body)
{
	const struct dir_resolve_request *request = body;
	struct dir_resolve_reply reply;
	lookup_resolve(ipc_conn_arg(conn), rq->pool, request->local, request->domain, &reply);
	ipc_reply(conn, rq, &reply);
}

static void run_may_send(struct ipc_server_conn *conn, struct ipc_request *rq, void *body)
{
	const struct dir_may_send_request *request = body;
	struct dir_may_send_reply reply = {.yes = lookup_may_send(ipc_conn_arg(conn), rq->pool,
						   request->user, request->sender)};
	ipc_reply(conn, rq, &reply);
}

static void run_quota_notice(struct ipc_server_conn *conn, struct ipc_request *rq, void *body)
{
	struct directoryd *d = ipc_conn_arg(conn);
	const struct dir_quota_notice *notice = body;
	(void)rq;
	over_quota_note(d->over_quota, notice->account, notice->over);
}

static const struct ipc_handler lookup_handlers[] = {
	{&dir_resolve_request_msg, &dir_resolve_reply_msg, run_resolve, false},
	{&dir_may_send_request_msg, &dir_may_send_reply_msg, run_may_send, false},
	{&dir_quota_notice_msg, NULL, run_quota_notice, true},
};

/* Which door a caller came through decides what it may ask, and who it is decides which doors are open to it: root always,
 * and the users named here. */
static const struct door {
	const char *name, *users;
	const struct ipc_handler *handlers;
	const size_t *n;
	size_t fixed_n;
	void (*gone)(struct ipc_server_conn *conn);
} doors[] = {
	{"directory", "smtpd queue store", lookup_handlers, NULL, COUNT_OF(lookup_handlers), NULL},
	{"directory-auth", "login smtpd store", auth_handlers, &auth_handlers_n, 0, exchanges_drop},
	{"directory-admin", "", admin_handlers, &admin_handlers_n, 0, NULL},
};

static const struct door *door_of(const struct conn *conn)
{
	const struct sockaddr_un *un = (const struct sockaddr_un *)&conn->local;
	if (un->sun_family != AF_UNIX)
		return NULL;
	const char *slash = strrchr(un->sun_path, '/');
	const char *name = slash ? slash + 1 : un->sun_path;
	for (size_t i = 0; i < COUNT_OF(doors); i++)
		if (strcmp(doors[i].name, name) == 0)
			return &doors[i];
	return NULL;
}

static bool may_enter(const struct door *door, const char *user)
{
	struct span rest = span_of(door->users), word;
	if (!user)
		return false;
	if (strcmp(user, "root") == 0)
		return true;
	while (span_split(&rest, ' ', &word))
		if (span_is(word, user))
			return true;
	return false;
}

static void serve(struct conn *conn)
{
	const struct door *door = door_of(conn);
	const char *user = service_uid_user(conn->svc, conn->peer_uid);
	if (!door || !may_enter(door, user)) {
		log_error("connection refused socket=%s uid=%d", door ? door->name : "?",
			(int)conn->peer_uid);
		return;
	}
	int fd = conn->fd;
	conn->fd = -1;
	struct ipc_server_conn *c = ipc_server_new(fd, door->handlers,
		door->n ? *door->n : door->fixed_n, conn->svc->state, door->gone);
	struct directoryd *d = conn->svc->state;
	d->connections++;
	lookers_serve(d, c);
	d->connections--;
}

/* The image can't be rebuilt from anything: damage is an operator's case, said plainly. */
static int open_database(struct directoryd *d, const char **err_r)
{
	struct kv_conf conf = {
		.dir = d->svc->common->directory_dir,
		.tables = directory_tables,
	};
	int rc = kv_open(&conf, &d->kv, err_r);
	if (rc == KV_DAMAGED)
		*err_r = pool_printf(d->svc->pool,
			"The directory database in %s is damaged (%s); restore it from a copy.",
			conf.dir, *err_r);
	return rc == 0 ? 0 : -1;
}

/* --- tickets outlive an upgrade: whoever has just got one is told nothing of it --- */

static const struct span tickets_row = SPAN_LIT("tickets");

static void keep_tickets(struct directoryd *d)
{
	struct str kept = STR_INIT;
	struct kv_batch *batch = kv_batch_new(d->kv);
	tickets_put(d->tickets, &kept);
	kv_batch_put(batch, TABLE_META, tickets_row, str_span(&kept));
	if (kv_batch_commit(&batch, false) < 0)
		log_warning("logins that are not complete have to be repeated");
	str_fini(&kept);
}

/* Only once: taken out before anybody can redeem them. */
static void take_kept_tickets(struct directoryd *d)
{
	struct pool *pool = pool_new("tickets");
	struct span kept;
	if (kv_get(d->kv, TABLE_META, tickets_row, pool, &kept) == 1) {
		struct kv_batch *batch = kv_batch_new(d->kv);
		kv_batch_delete(batch, TABLE_META, tickets_row);
		if (kv_batch_commit(&batch, false) == 0)
			tickets_get(d->tickets, kept);
	}
	pool_free(&pool);
}

static const char *default_domain(struct directoryd *d)
{
	return name_domain(d->svc->pool, d->svc->common->default_domain);
}

static int start_root(struct service_ctx *svc, const char **err_r)
{
	struct directoryd *d = pool_new_of(svc->pool, struct directoryd);
	d->svc = svc;
	d->conf = svc->params;
	svc->state = d;
	d->default_domain = default_domain(d);
	if (!d->default_domain) {
		*err_r = "default_domain (or hostname) is not a domain name.";
		return -1;
	}
	return sasl_start(err_r);
}

static int start_user(struct service_ctx *svc, const char **err_r)
{
	struct directoryd *d = svc->state;
	if (open_database(d, err_r) != 0)
		return -1;
	lookers_init(d);
	d->records = records_new(d);
	d->over_quota = over_quota_new(OVER_QUOTA_MS);
	d->system_users = system_users_new(d);
	d->tickets = tickets_new(d->conf->ticket_life);
	take_kept_tickets(d);
	d->passwords = passwords_new(d);
	d->exchanges = exchanges_new(d);
	return 0;
}

/* How many threads there are is decided at the start. */
static void reload(struct service_ctx *svc)
{
	struct directoryd *d = svc->state;
	d->conf = svc->params;
	const char *domain = default_domain(d);
	if (domain)
		d->default_domain = domain;
	else
		log_error("default_domain (or hostname) is not a domain name; %s stays.", d->default_domain);
	tickets_set_life(d->tickets, d->conf->ticket_life);
	exchanges_set_delay(d->exchanges, d->conf->failure_delay);
}

/* The library's part of an exchange can't be passed on. */
static bool is_amid(struct service_ctx *svc)
{
	struct directoryd *d = svc->state;
	return exchanges_are_under_way(d->exchanges);
}

/* Calls that were not done in time still use all of it, on threads and in the SASL library: then the process simply
 * ends. What has been answered is durable anyway. */
static void stop(struct service_ctx *svc)
{
	struct directoryd *d = svc->state;
	if (d->connections)
		return;
	exchanges_free(&d->exchanges);
	sasl_stop();
	keep_tickets(d);
	tickets_free(&d->tickets);
	passwords_free(&d->passwords);
	system_users_free(&d->system_users);
	records_free(&d->records);
	over_quota_free(&d->over_quota);
	kv_close(&d->kv);
}

static const struct service directoryd = {
	.name = "directoryd",
	.flags = SERVICE_RAW | SERVICE_SINGLE,
	.conf_rows = directoryd_conf_rows,
	.conf_size = sizeof(struct directoryd_conf),
	.start_root = start_root,
	.start_user = start_user,
	.serve = serve,
	.reload = reload,
	.is_amid = is_amid,
	.stop = stop,
};

int main(int argc, char **argv)
{
	return service_run(&directoryd, argc, argv);
}
