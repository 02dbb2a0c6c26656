/* run_dir/master: status, reload, stop. Its owner and mode say who may: root and the admin user, or whoever started
 * the instance. */
#include <errno.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/log.h"
#include "io/net.h"
#include "master/master.h"
#include "service/control.h"

#define OPERATORS_MAX 64 /* connections at once */

static void fill_worker(struct pool *pool, const struct child *c, struct control_status_worker *w)
{
	struct scoreboard_row *row =
		c->has_row ? scoreboard_row(c->service->master->sb, c->row) : NULL;
	struct control_status_counter *counters;
	int64_t now = clock_mono_ms();

	*w = (struct control_status_worker){
		.slot = c->slot,
		.pid = (uint32_t)c->pid,
		.generation = c->generation,
		.state = child_state_name(c->state),
		.uptime_ms = (uint64_t)(now - c->started),
		.start_ms = c->ready ? (uint32_t)(c->ready - c->started) : 0,
	};
	if (!row)
		return;
	w->connections = row->connections;
	w->served = row->served;
	counters = pool_array(pool, SERVICE_COUNTERS, sizeof(*counters));
	for (size_t i = 0; i < SERVICE_COUNTERS; i++)
		counters[i].value = row->counters[i];
	w->counters = (struct ipc_list){counters, SERVICE_COUNTERS};
}

static void fill_workers(struct pool *pool, const struct supplied *s, struct ipc_list *list)
{
	ARRAY(struct control_status_worker) workers = ARRAY_IN(pool);

	list_each(l, &s->children)
	{
		fill_worker(pool, list_entry(l, struct child, link), array_add(&workers));
	}
	*list = (struct ipc_list){workers.v, workers.n};
}

static uint64_t count_refused(const struct supplied *s)
{
	uint64_t n = s->refused;

	list_each(l, &s->children)
	{
		struct child *c = list_entry(l, struct child, link);
		n += c->has_row ? scoreboard_row(s->master->sb, c->row)->refused : 0;
	}
	return n;
}

static void fill_service(
	struct pool *pool, const struct supplied *s, struct control_status_service *to)
{
	*to = (struct control_status_service){
		.name = s->name,
		.program = s->program,
		.ready = supply_is_ready(s),
		.restarts = s->restarts,
		.refused = count_refused(s),
		.trouble = s->trouble,
	};
	if (s->planned) {
		to->min_workers = (uint32_t)s->planned->conf.min_workers;
		to->max_workers = (uint32_t)s->planned->conf.max_workers;
		to->connection_limit = (uint32_t)s->planned->conf.connections;
	}
	fill_workers(pool, s, &to->workers);
}

static bool is_all_ready(const struct master *m)
{
	list_each(l, &m->services)
	{
		struct supplied *s = list_entry(l, struct supplied, link);
		if (s->planned && !supply_is_ready(s))
			return false;
	}
	return true;
}

static void on_status(struct ipc_server_conn *conn, struct ipc_request *rq, void *body)
{
	struct master *m = ipc_conn_arg(conn);
	ARRAY(struct control_status_service) services = ARRAY_IN(rq->pool);
	struct control_status status = {
		.pid = (uint32_t)getpid(),
		.generation = m->generation,
		.uptime_ms = (uint64_t)(clock_mono_ms() - m->started),
		.state = m->stopping ? "stopping" : "running",
		.ready = is_all_ready(m),
	};
	(void)body;

	list_each(l, &m->services)
	{
		fill_service(rq->pool, list_entry(l, struct supplied, link), array_add(&services));
	}
	status.services = (struct ipc_list){services.v, services.n};
	ipc_reply(conn, rq, &status);
}

static void on_reload(struct ipc_server_conn *conn, struct ipc_request *rq, void *body)
{
	struct control_none none = {0};
	const char *err;
	(void)body;

	if (master_reload(ipc_conn_arg(conn), &err) < 0)
		ipc_refuse(conn, rq, err);
	else
		ipc_reply(conn, rq, &none);
}

static void on_stop(struct ipc_server_conn *conn, struct ipc_request *rq, void *body)
{
	struct control_stop_call *stop = body;
	struct control_none none = {0};

	ipc_reply(conn, rq, &none);
	ipc_flush(ipc_conn_ipc(conn), io_deadline(1000));
	master_stop(ipc_conn_arg(conn), stop->now);
}

static const struct ipc_handler handlers[] = {
	/* message                   reply                       function   inline */
	{&control_status_msg,      &control_status_reply_msg,    on_status, true},
	{&control_reload_call_msg, &control_done_msg,            on_reload, false},
	{&control_stop_call_msg,   &control_done_msg,            on_stop,   false},
};

struct operator_conn {
	struct master *master;
	int fd;
};

static void operator_fiber(void *arg)
{
	struct operator_conn *o = arg;
	struct operator_conn conn = *o;

	mem_free(&o);
	ipc_serve(conn.fd, handlers, COUNT_OF(handlers), conn.master, NULL);
}

static void on_operator(void *arg, int fd, int events)
{
	struct operator_conn *o;
	int got = accept4(fd, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);
	(void)events;

	if (got < 0)
		return;
	if (fiber_count() > children_count(arg) * 2 + OPERATORS_MAX) {
		close(got);
		return;
	}
	o = mem_new(struct operator_conn);
	*o = (struct operator_conn){arg, got};
	fiber_start("operator", operator_fiber, o);
}

int operator_open(struct master *m, const char **err_r)
{
	struct pool *pool = m->plan->config->pool;
	const char *path = pool_printf(pool, "%s/master", m->plan->config->common.run_dir);
	struct net_addr addr;

	if (net_parse(pool_printf(pool, "unix:%s", path), &addr, err_r) < 0)
		return -1;
	m->operator_fd = net_listen(&addr, OPERATORS_MAX, 0600, err_r);
	if (m->operator_fd < 0)
		return -1;
	if (geteuid() == 0 && chown(path, m->plan->admin_uid, 0) < 0) {
		*err_r = "The owner of run_dir/master can't be set.";
		return -1;
	}
	m->operator_watch = loop_watch_add(m->operator_fd, LOOP_READ, false, on_operator, m);
	return 0;
}

void operator_close(struct master *m)
{
	struct str path = STR_INIT;

	if (m->operator_fd < 0)
		return;
	loop_watch_remove(&m->operator_watch);
	close(m->operator_fd);
	m->operator_fd = -1;
	str_printf(&path, "%s/master", m->plan->config->common.run_dir);
	unlink(str_c(&path));
	str_fini(&path);
}
