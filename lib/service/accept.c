/*
 * Accepting. All workers of a service share its listening sockets; the kernel wakes one (EPOLLEXCLUSIVE). A worker
 * at its limit stops watching, so that new connections go to the others or wait in the backlog.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/tcp.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/log.h"
#include "io/net.h"
#include "os/os.h"
#include "service/engine.h"

#define BATCH        8     /* accepted for one event: the others get theirs */
#define PAUSE_MS     100   /* when nobody can be accepted */
#define SAY_OUT_MS   1000

/* What a connection is until its fiber runs. */
struct accepted {
	struct engine *engine;
	size_t listener;
	int fd;
	struct sockaddr_storage peer;
	struct sockaddr_storage counts_as;
	bool counted; /* in the scoreboard's addresses */
	bool taken;   /* passed by master, which says who connects */
	uid_t uid;
	gid_t gid;
};

static void watch_listeners(struct engine *e);

static bool is_full(const struct engine *e)
{
	return e->connections >= e->ctx.conf->connections;
}

/* --- counting --- */

void service_conn_hold(struct service_ctx *svc)
{
	struct engine *e = engine_of(svc);

	e->connections++;
	e->row->connections = e->connections;
	crowd_grew(e);
}

void service_conn_release(struct service_ctx *svc)
{
	struct engine *e = engine_of(svc);
	bool was_full = is_full(e);

	if (e->connections == 0)
		log_panic("A connection is released twice.");
	e->connections--;
	e->row->connections = e->connections;
	crowd_shrank(e);
	if (was_full && !is_full(e) && !svc->stopping)
		watch_listeners(e);
	engine_finish_if_idle(e);
}

static bool parse_ip(const char *ip, struct sockaddr_storage *sa_r)
{
	struct sockaddr_in *v4 = (struct sockaddr_in *)sa_r;
	struct sockaddr_in6 *v6 = (struct sockaddr_in6 *)sa_r;

	*sa_r = (struct sockaddr_storage){.ss_family = AF_INET};
	if (inet_pton(AF_INET, ip, &v4->sin_addr) == 1)
		return true;
	sa_r->ss_family = AF_INET6;
	return inet_pton(AF_INET6, ip, &v6->sin6_addr) == 1;
}

void service_address_hold(struct service_ctx *svc, const char *service, const char *ip)
{
	struct engine *e = engine_of(svc);
	struct sockaddr_storage sa;

	if (parse_ip(ip, &sa))
		scoreboard_address_add(e->sb, e->row_number, service, (struct sockaddr *)&sa);
}

void service_address_release(struct service_ctx *svc, const char *service, const char *ip)
{
	struct engine *e = engine_of(svc);
	struct sockaddr_storage sa;

	if (parse_ip(ip, &sa))
		scoreboard_address_remove(e->sb, e->row_number, service, (struct sockaddr *)&sa);
}

/* Who comes by a Unix socket counts by the uid, as a network in which there are no hosts (RFC 6666); root does not:
 * nobody keeps it out. False: no limit is for this one. */
static bool find_key(struct accepted *a)
{
	struct sockaddr_in6 *v6 = (struct sockaddr_in6 *)&a->counts_as;
	uid_t uid;
	gid_t gid;
	pid_t pid;

	if (a->peer.ss_family != AF_UNIX) {
		a->counts_as = a->peer;
		return a->peer.ss_family == AF_INET || a->peer.ss_family == AF_INET6;
	}
	if (os_peer(a->fd, &uid, &gid, &pid) < 0 || uid == 0)
		return false;
	v6->sin6_family = AF_INET6;
	v6->sin6_addr.s6_addr[0] = 1;
	memcpy(v6->sin6_addr.s6_addr + 4, &(uint32_t){uid}, 4);
	return true;
}

static void uncount_address(struct accepted *a)
{
	struct engine *e = a->engine;

	if (a->counted)
		scoreboard_address_remove(e->sb, e->row_number, e->ctx.instance,
			(const struct sockaddr *)&a->counts_as);
	a->counted = false;
}

void service_conn_count(struct conn *conn, bool on)
{
	struct accepted *a = conn->accepted;
	struct engine *e = a->engine;

	if (!on) {
		uncount_address(a);
	} else if (!a->counted && a->counts_as.ss_family) {
		scoreboard_address_add(e->sb, e->row_number, e->ctx.instance,
			(const struct sockaddr *)&a->counts_as);
		a->counted = true;
	}
}

/* --- one connection, in its fiber --- */

/* "S", nine digits of the millisecond, two of the worker, two of the turn; sorts by time. */
static void make_session(struct engine *e, char session[20])
{
	static const char digits[] = "0123456789abcdefghjkmnpqrstvwxyz";
	uint64_t v = (uint64_t)clock_wall_ms() << 20 | (e->row_number & 0x3ff) << 10 |
		(e->sequence++ & 0x3ff);

	session[0] = 'S';
	for (int i = 13; i >= 1; i--, v >>= 5)
		session[i] = digits[v & 31];
	session[14] = '\0';
}

static void fill_unix(struct conn *c, const struct accepted *a)
{
	pid_t pid;

	c->is_unix = true;
	if (a->taken) {
		c->peer_uid = a->uid;
		c->peer_gid = a->gid;
	} else if (os_peer(a->fd, &c->peer_uid, &c->peer_gid, &pid) < 0) {
		c->peer_uid = (uid_t)-1;
		c->peer_gid = (gid_t)-1;
	}
}

static struct conn *conn_new(struct accepted *a, struct pool *pool)
{
	struct conn *c = pool_new_of(pool, struct conn);
	struct str ip = STR_IN(pool);
	socklen_t len = sizeof(c->local);

	c->svc = &a->engine->ctx;
	c->accepted = a;
	c->pool = pool;
	c->fd = -1;
	c->peer = a->peer;
	c->listener = a->listener;
	getsockname(a->fd, (struct sockaddr *)&c->local, &len);
	net_put_host(&ip, (const struct sockaddr *)&c->peer);
	c->peer_ip = str_c(&ip);
	if (a->peer.ss_family == AF_UNIX)
		fill_unix(c, a);
	else
		c->peer_port = net_port((const struct sockaddr *)&c->peer);
	make_session(a->engine, c->session);
	return c;
}

static void serve_stream(struct engine *e, struct conn *c, int fd)
{
	const char *err;

	c->stream = stream_new(fd);
	if (e->ctx.conf->tls_wrap) {
		/* Of all of it: octet by octet it could last for ever. */
		stream_set_deadline(c->stream, io_deadline(e->ctx.conf->tls_timeout));
		if (e->ctx.service->tls->start(c->stream, e->tls, NULL, &err) < 0) {
			log_info("TLS could not start: %s", err);
			return;
		}
		stream_set_deadline(c->stream, IO_FOREVER);
	}
	e->ctx.service->serve(c);
}

static void serve_conn(struct accepted *a, struct conn *c)
{
	struct engine *e = a->engine;

	log_debug("connect service=%s peer=%s port=%d uid=%d", e->ctx.instance, c->peer_ip,
		c->peer_port, c->is_unix ? (int)c->peer_uid : -1);
	if (!(e->ctx.service->flags & SERVICE_RAW)) {
		serve_stream(e, c, a->fd);
	} else if (e->ctx.service->serve) {
		c->fd = a->fd;
		e->ctx.service->serve(c);
	} else {
		e->ctx.service->serve_fd(&e->ctx, a->fd);
	}
	stream_close(&c->stream);
	io_close(&c->fd);
	log_debug("disconnect service=%s peer=%s", e->ctx.instance, c->peer_ip);
}

static void conn_fiber(void *arg)
{
	struct accepted *a = arg;
	struct engine *e = a->engine;
	struct pool *pool = pool_new("connection");
	struct conn *c = conn_new(a, pool);
	struct log_context context = {.session = c->session}, *outer = log_context_swap(&context);

	serve_conn(a, c);
	log_context_swap(outer);
	uncount_address(a);
	mem_free(&a);
	pool_free(&pool);
	service_conn_release(&e->ctx);
}

/* --- on the loop --- */

/* A line as good-bye, as far as it fits into the socket's buffer. */
static void refuse(struct engine *e, int fd, const char *reply)
{
	if (reply && !e->ctx.conf->tls_wrap)
		send(fd, reply, strlen(reply), MSG_NOSIGNAL | MSG_DONTWAIT);
	close(fd);
}

/* True when its address has too many already. */
static bool is_over_limit(struct accepted *a)
{
	struct engine *e = a->engine;
	unsigned n;

	if (!e->ctx.conf->connections_per_address || !find_key(a))
		return false;
	n = scoreboard_address_add(e->sb, e->row_number, e->ctx.instance,
		(const struct sockaddr *)&a->counts_as);
	a->counted = true;
	if (n <= e->ctx.conf->connections_per_address)
		return false;
	uncount_address(a);
	return true;
}

static void log_over_limit(struct engine *e, const struct accepted *a)
{
	struct str ip = STR_INIT;
	uint32_t uid;

	memcpy(&uid, ((const struct sockaddr_in6 *)&a->counts_as)->sin6_addr.s6_addr + 4, 4);
	if (a->peer.ss_family == AF_UNIX)
		str_printf(&ip, "uid%u", uid);
	else
		net_put_host(&ip, (const struct sockaddr *)&a->peer);
	log_info("refused service=%s peer=%s reason=connections_per_address", e->ctx.instance,
		str_c(&ip));
	str_fini(&ip);
}

static void start_conn(struct accepted *a)
{
	a->engine->row->served++;
	service_conn_hold(&a->engine->ctx);
	fiber_start("connection", conn_fiber, a);
}

static void admit(struct listener *l, int fd, const struct sockaddr_storage *peer)
{
	struct engine *e = l->engine;
	struct accepted *a = mem_new(struct accepted);
	int one = 1;

	*a = (struct accepted){.engine = e, .listener = l->index, .fd = fd, .peer = *peer};
	if (is_over_limit(a)) {
		e->row->refused++;
		log_over_limit(e, a);
		refuse(e, fd, e->ctx.service->over_limit_reply);
		mem_free(&a);
		return;
	}
	if (!l->is_unix)
		setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof(one));
	start_conn(a);
}

static void end_pause(void *arg)
{
	struct engine *e = arg;

	loop_timer_remove(&e->pause_timer);
	if (e->reserve_fd < 0)
		e->reserve_fd = fcntl(e->listeners[0].fd, F_DUPFD_CLOEXEC, 3);
	if (!is_full(e))
		watch_listeners(e);
}

/* Nobody can be accepted, not even to be told so: the kernel's queue keeps them for a while. */
static void pause_accepting(struct engine *e)
{
	for (size_t i = 0; i < e->listener_count; i++)
		loop_watch_remove(&e->listeners[i].watch);
	loop_timer_remove(&e->pause_timer);
	e->pause_timer = loop_timer_add(PAUSE_MS, end_pause, e);
}

/* Once in a while: who causes this must not fill the log as well. */
static void say_out_of_descriptors(struct engine *e)
{
	int64_t now = clock_mono_ms();

	if (e->said_out_at && now - e->said_out_at < SAY_OUT_MS)
		return;
	e->said_out_at = now;
	log_error("Connections are refused: this process may not open more descriptors.");
}

/* Descriptors have run out: the reserve is given up for a moment, so that who waits is told. */
static void turn_away(struct listener *l)
{
	struct engine *e = l->engine;
	int fd;

	if (e->reserve_fd >= 0)
		close(e->reserve_fd);
	fd = accept4(l->fd, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);
	bool none = fd < 0 && errno != EAGAIN;
	if (fd >= 0)
		refuse(e, fd, e->ctx.service->too_busy_reply);
	e->reserve_fd = fcntl(l->fd, F_DUPFD_CLOEXEC, 3);
	say_out_of_descriptors(e);
	if (none || e->reserve_fd < 0)
		pause_accepting(e);
}

/* Errors that would come again at once, as long as the connection waits. */
static void accept_failed(struct listener *l)
{
	if (errno == EMFILE || errno == ENFILE)
		turn_away(l);
	else if (errno == ENOBUFS || errno == ENOMEM)
		pause_accepting(l->engine);
}

static void rest_if_full(struct engine *e)
{
	if (!is_full(e))
		return;
	for (size_t i = 0; i < e->listener_count; i++)
		loop_watch_remove(&e->listeners[i].watch);
	line_full(e);
}

static void on_listener(void *arg, int fd, int events)
{
	struct listener *l = arg;
	struct engine *e = l->engine;
	struct sockaddr_storage peer = {0};
	(void)events;

	for (int i = 0; i < BATCH && !is_full(e); i++) {
		socklen_t len = sizeof(peer);
		int got = accept4(fd, (struct sockaddr *)&peer, &len, SOCK_NONBLOCK | SOCK_CLOEXEC);
		if (got < 0) {
			accept_failed(l);
			break;
		}
		if (l->is_unix)
			peer.ss_family = AF_UNIX;
		admit(l, got, &peer);
	}
	rest_if_full(e);
}

bool accept_take(struct engine *e, int fd, uid_t uid, gid_t gid)
{
	struct accepted *a;

	if (e->finishing || e->phase != PHASE_SERVING)
		return false;
	a = mem_new(struct accepted);
	*a = (struct accepted){.engine = e, .fd = fd, .taken = true, .uid = uid, .gid = gid};
	a->peer.ss_family = AF_UNIX;
	start_conn(a);
	rest_if_full(e);
	return true;
}

static void watch_listeners(struct engine *e)
{
	for (size_t i = 0; i < e->listener_count; i++) {
		struct listener *l = &e->listeners[i];
		if (!l->watch)
			l->watch = loop_watch_add(l->fd, LOOP_READ, true, on_listener, l);
	}
}

void accept_start(struct engine *e)
{
	for (size_t i = 0; i < e->listener_count; i++) {
		struct listener *l = &e->listeners[i];
		int domain = 0;
		socklen_t len = sizeof(domain);
		getsockopt(l->fd, SOL_SOCKET, SO_DOMAIN, &domain, &len);
		l->is_unix = domain == AF_UNIX;
		os_set_nonblock(l->fd, true);
	}
	if (e->listener_count)
		e->reserve_fd = fcntl(e->listeners[0].fd, F_DUPFD_CLOEXEC, 3);
	watch_listeners(e);
}

void accept_stop(struct engine *e)
{
	for (size_t i = 0; i < e->listener_count; i++) {
		loop_watch_remove(&e->listeners[i].watch);
		close(e->listeners[i].fd);
	}
	loop_timer_remove(&e->pause_timer);
	if (e->reserve_fd >= 0)
		close(e->reserve_fd);
	e->reserve_fd = -1;
	e->listener_count = 0;
}
