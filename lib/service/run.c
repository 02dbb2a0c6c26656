/*
 * The life of a daemon process: see service.h. Everything before PHASE_USER may run as root, everything
 * after it runs as the service's user, behind the sandbox.
 */
#include <errno.h>
#include <fcntl.h>
#include <iconv.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/log.h"
#include "base/num.h"
#include "os/os.h"
#include "service/control.h"
#include "service/engine.h"
#include "service/shared.h"

#define SPARE_FDS      512  /* files, sockets to other services, on top of the connections */
#define FLUSH_MS       1000 /* for the last frames to the others */
#define LINGER_STEP   20   /* ms between two looks */
#define SIGNAL_STOP_MS 5000 /* what a bare SIGTERM leaves for the connections */

struct arguments {
	const char *config_dir, *instance;
	bool alone;
};

/* --- what it was started with --- */

static void usage(const struct service *service)
{
	fprintf(stderr,
		"usage: %s -C DIR -S SERVICE --alone\n"
		"Master starts this program; by hand it runs alone, in the foreground.\n",
		service->name);
	exit(2);
}

static struct arguments parse_arguments(const struct service *service, int argc, char **argv)
{
	struct arguments a = {0};

	for (int i = 1; i < argc; i++) {
		if (strcmp(argv[i], "-C") == 0 && i + 1 < argc)
			a.config_dir = argv[++i];
		else if (strcmp(argv[i], "-S") == 0 && i + 1 < argc)
			a.instance = argv[++i];
		else if (strcmp(argv[i], "--alone") == 0)
			a.alone = true;
		else
			usage(service);
	}
	if (!a.config_dir || !a.instance || (!a.alone && !getenv(SERVICE_ENV)))
		usage(service);
	return a;
}

static void open_config(struct engine *e, const struct arguments *a)
{
	struct service_ctx *svc = &e->ctx;
	struct service_conf *conf = pool_new_of(svc->pool, struct service_conf);
	const char *err;

	if (config_open(a->config_dir, &svc->config, &err) < 0)
		log_fatal("%s", err);
	svc->common = &svc->config->common;
	svc->conf = conf;
	svc->params = pool_alloc(svc->pool, svc->service->conf_size + 1);
	if (service_log_open(strcmp(svc->instance, svc->service->name) == 0
				    ? svc->instance
				    : pool_printf(svc->pool, "%s/%s", svc->instance,
					      svc->service->name),
		    svc->common, &err) < 0)
		log_fatal("%s", err);
	if (config_service(svc->config, svc->instance, conf, &err) < 0)
		log_fatal("%s", err);
	if (svc->service->conf_rows &&
		config_program(svc->config, svc->service->name, svc->instance, svc->params, &err) < 0)
		log_fatal("%s", err);
	if (svc->service->flags & SERVICE_SINGLE && conf->max_workers != 1)
		log_fatal("Service %s owns its state alone: its max_workers must be 1.",
			svc->instance);
}

static void take_descriptors(struct engine *e)
{
	struct span rest = span_of(getenv(SERVICE_ENV)), word;
	uint64_t v[4] = {0};
	const char *err;

	for (size_t i = 0; i < 4; i++)
		if (!span_split(&rest, ' ', &word) || !num_parse_u64(word, UINT32_MAX, &v[i]))
			log_fatal("%s is malformed.", SERVICE_ENV);
	e->ctx.worker = (unsigned)v[0];
	e->row_number = (unsigned)v[1];
	e->generation = (unsigned)v[2];
	e->listener_count = (unsigned)v[3];
	e->listeners = pool_array(e->ctx.pool, e->listener_count, sizeof(*e->listeners));
	for (size_t i = 0; i < e->listener_count; i++)
		e->listeners[i] = (struct listener){
			.engine = e, .index = i, .fd = SERVICE_FD_LISTEN + (int)i};
	for (int fd = SERVICE_FD_CONTROL; fd < SERVICE_FD_LISTEN + (int)v[3]; fd++)
		if (fcntl(fd, F_SETFD, FD_CLOEXEC) < 0)
			log_fatal("Descriptor %d did not come from master.", fd);
	if (scoreboard_map(SERVICE_FD_SCOREBOARD, &e->sb, &err) < 0)
		log_fatal("%s", err);
	close(SERVICE_FD_SCOREBOARD);
	unsetenv(SERVICE_ENV);
}

static void join_master(struct engine *e)
{
	const char *err;

	if (e->alone) {
		if (alone_start(e, &err) < 0)
			log_fatal("%s", err);
	} else {
		take_descriptors(e);
		line_open(e);
	}
	e->row = scoreboard_row(e->sb, e->row_number);
	e->row->pid = (uint32_t)getpid();
}

/* --- signals --- */

static void on_term(void *arg)
{
	engine_stop(arg, SIGNAL_STOP_MS);
}

static void set_signals(struct engine *e)
{
	signal(SIGPIPE, SIG_IGN);
	signal(SIGHUP, SIG_IGN);
	signal(SIGUSR1, SIG_IGN);
	signal(SIGUSR2, SIG_IGN);
	loop_signal(SIGTERM, on_term, e);
	/* Ctrl-C reaches the whole group; under master its word counts. */
	if (e->alone)
		loop_signal(SIGINT, on_term, e);
	else
		signal(SIGINT, SIG_IGN);
}

/* --- phases --- */

/* Descriptors: a proxied connection has two, and some work opens a file more. */
static void raise_limits(struct engine *e)
{
	rlim_t want = e->ctx.conf->connections * 3 + SPARE_FDS;
	struct rlimit limit;

	if (getrlimit(RLIMIT_NOFILE, &limit) < 0)
		return;
	if (geteuid() == 0 && limit.rlim_max < want)
		limit.rlim_max = want;
	limit.rlim_cur = want < limit.rlim_max ? want : limit.rlim_max;
	if (setrlimit(RLIMIT_NOFILE, &limit) < 0)
		log_warning("The limit of descriptors can't be raised: %m.");
}

static bool listens_on_net(const struct service_conf *conf)
{
	struct span word;
	size_t at = 0;

	while (conf_list_next(conf->listen, &at, &word))
		if (!span_has_prefix(word, SPAN_LIT("unix:")))
			return true;
	return false;
}

static void load_tls(struct engine *e)
{
	const struct common_conf *common = e->ctx.common;
	const struct tls_server *tls = e->ctx.service->tls;
	bool wrap = e->ctx.conf->tls_wrap;
	const char *err = tls ? "tls_cert is not set." : "The program has none.";

	if (!wrap && (!tls || !listens_on_net(e->ctx.conf)))
		return;
	if (tls && common->tls_cert[0] &&
		tls->new(common->tls_cert, common->tls_key, &e->tls, &err) == 0)
		return;
	e->tls = NULL;
	if (wrap)
		log_fatal("Service %s can't serve TLS: %s", e->ctx.instance, err);
	if (common->tls_cert[0])
		log_warning("TLS is not offered: %s", err);
}

struct tls_context *service_tls(struct service_ctx *svc)
{
	if (!svc->service->tls)
		log_panic("Program %s asks for TLS and has none.", svc->service->name);
	return engine_of(svc)->tls;
}

/* What the C library would open later, when a chroot hides it (design rule 23). */
static void preload(const char *chroot_to)
{
	tzset();
	if (!chroot_to)
		return;
	iconv_t cd = iconv_open("UTF-8", "ISO-8859-15");
	if (cd != (iconv_t)-1)
		iconv_close(cd);
}

static void phase_root(struct engine *e)
{
	const struct service *service = e->ctx.service;
	const char *err = "It failed.";

	load_tls(e);
	if (service->start_root && service->start_root(&e->ctx, &err) < 0)
		log_fatal("Service %s can't start: %s", e->ctx.instance, err);
}

static void phase_drop(struct engine *e)
{
	const char *chroot_to = e->ctx.conf->chroot[0] && geteuid() == 0 ? e->ctx.conf->chroot : NULL;
	const char *err;
	uid_t uid;
	gid_t gid;

	if (config_user(e->ctx.config, e->ctx.conf->user, &uid, &gid, &err) < 0)
		log_fatal("%s", err);
	users_learn(e);
	preload(chroot_to);
	raise_limits(e);
	umask(027);
	if (geteuid() == 0 && (uid != 0 || chroot_to)) {
		os_drop_privilege(uid, gid, chroot_to);
		e->chrooted = chroot_to != NULL;
	}
	os_no_new_privs();
	sandbox_enter(e->ctx.service->flags);
	e->phase = PHASE_USER;
}

static void phase_user(struct engine *e)
{
	const struct service *service = e->ctx.service;
	const char *err = "It failed.";

	if (service->start_user && service->start_user(&e->ctx, &err) < 0)
		log_fatal("Service %s can't start: %s", e->ctx.instance, err);
	e->phase = PHASE_SERVING;
	if (e->ctx.stopping) {
		engine_finish_if_idle(e);
		return;
	}
	accept_start(e);
	os_trim_memory();
	line_ready(e);
	if (e->alone)
		log_info("ready service=%s alone", e->ctx.instance);
}

/* --- the end --- */

static void finish(void *arg)
{
	struct engine *e = arg;
	const struct service *service = e->ctx.service;

	if (service->stop && (e->connections == 0 || service->flags & SERVICE_SINGLE))
		service->stop(&e->ctx);
	ipc_flush_all(io_deadline(FLUSH_MS));
	loop_stop();
}

/* Fibers that the stop woke ran before: one of them may have found something to do first. */
static void finish_if_still_idle(void *arg)
{
	struct engine *e = arg;

	e->finishing = e->connections == 0;
	if (e->finishing)
		finish(e);
}

void engine_finish_if_idle(struct engine *e)
{
	if (!e->ctx.stopping || e->connections || e->finishing || e->phase != PHASE_SERVING)
		return;
	e->finishing = true;
	fiber_start("finish", finish_if_still_idle, e);
}

static void on_overdue(void *arg)
{
	struct engine *e = arg;

	log_info("overdue service=%s connections=%u", e->ctx.instance, e->connections);
	if (e->finishing) {
		loop_stop();
		return;
	}
	e->finishing = true;
	fiber_start("finish", finish, e);
	/* Its stop function has as long again. */
	loop_timer_remove(&e->stop_timer);
	e->stop_timer = loop_timer_add(SIGNAL_STOP_MS, on_overdue, e);
}

static void linger(void *arg)
{
	struct engine *e = arg;
	int64_t left;

	while (e->ctx.service->is_amid(&e->ctx) && clock_mono_ms() < e->lingering)
		io_sleep(LINGER_STEP);
	left = e->stop_by - clock_mono_ms();
	engine_stop(e, left > 0 ? left : 0);
}

/* Only once: who asks again wants it now. */
static bool may_linger(struct engine *e, int64_t ms)
{
	const struct service *service = e->ctx.service;

	if (!service->is_amid || ms < 0 || e->ctx.stopping || e->lingering ||
		e->phase != PHASE_SERVING || !service->is_amid(&e->ctx))
		return false;
	log_info("stop waits for what is begun service=%s", e->ctx.instance);
	e->lingering = io_deadline(ms / 2);
	e->stop_by = io_deadline(ms);
	fiber_start("linger", linger, e);
	return true;
}

void engine_stop(struct engine *e, int64_t ms)
{
	if (may_linger(e, ms))
		return;
	if (ms >= 0) {
		loop_timer_remove(&e->stop_timer);
		e->stop_timer = loop_timer_add(ms, on_overdue, e);
	}
	e->ctx.closing |= ms >= 0;
	if (e->ctx.stopping) {
		fiber_wake_all(&e->stop_cond);
		return;
	}
	e->ctx.stopping = true;
	if (e->phase == PHASE_SERVING)
		accept_stop(e);
	fiber_wake_all(&e->stop_cond);
	ipc_server_drain();
	engine_finish_if_idle(e);
}

/* However the process ends: helper threads may be at work in what the libraries' exit handlers would take apart. */
static void leave(int status, void *arg)
{
	(void)arg;
	_exit(status);
}

int service_run(const struct service *service, int argc, char **argv)
{
	struct arguments a = parse_arguments(service, argc, argv);
	struct engine *e = mem_new(struct engine);

	on_exit(leave, NULL);
	e->ctx.service = service;
	e->ctx.instance = a.instance;
	e->ctx.pool = pool_new("service");
	e->alone = a.alone;
	e->reserve_fd = -1;
	open_config(e, &a);
	join_master(e);
	set_signals(e);
	phase_root(e);
	phase_drop(e);
	phase_user(e);
	loop_run();
	exit(0);
}

/* --- small services to programs --- */

struct fiber_cond *service_stop_cond(struct service_ctx *svc)
{
	return &engine_of(svc)->stop_cond;
}

void service_count(struct service_ctx *svc, unsigned index, uint64_t add)
{
	if (index < SERVICE_COUNTERS)
		engine_of(svc)->row->counters[index] += add;
}

void service_gauge(struct service_ctx *svc, unsigned index, uint64_t value)
{
	if (index < SERVICE_COUNTERS)
		engine_of(svc)->row->counters[index] = value;
}
