#include "t/fuzz/engine.h"

#include <arpa/inet.h>
#include <fcntl.h>
#include <ftw.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/array.h"
#include "base/log.h"
#include "io/loop.h"
#include "ipc/ipc.h"
#include "os/os.h"
#include "t/fuzz/certificate.h"
#include "tls/tls.h"

/* The one program of this process: a fuzz entry has no context that it could be handed in. */
static struct service_ctx svc;
static struct fiber_cond never;
static char dir[64];
static const char *conf_text;

/* --- the folder --- */

static int remove_one(const char *path, const struct stat *st, int type, struct FTW *ftw)
{
	(void)st;
	(void)type;
	(void)ftw;
	return remove(path);
}

static void remove_dir(void)
{
	nftw(dir, remove_one, 16, FTW_DEPTH | FTW_PHYS);
}

static void put_file(const char *name, const char *text)
{
	int at = open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (at < 0 || os_replace_file(at, name, text, strlen(text), 0644) < 0)
		abort();
	close(at);
}

/* In memory where that can be: nothing here has to survive. */
static void make_dir(void)
{
	snprintf(dir, sizeof(dir), "%s/thurn-fuzz-XXXXXX", access("/dev/shm", W_OK) == 0 ? "/dev/shm" : "/tmp");
	if (!mkdtemp(dir))
		abort();
	atexit(remove_dir);
	put_file("thurn.conf", conf_text);
	put_file("services.conf", "");
}

const char *engine_dir(void)
{
	return dir;
}

/* --- what lib/service does for a program --- */

int service_run(const struct service *service, int argc, char **argv)
{
	const char *err = "";
	(void)argc;
	(void)argv;
	svc.service = service;
	svc.instance = service->name;
	svc.pool = pool_new("process");
	if (config_open(dir, &svc.config, &err) < 0)
		log_panic("%s", err);
	svc.common = &svc.config->common;
	svc.params = pool_alloc(svc.pool, service->conf_size);
	if (config_program(svc.config, service->name, NULL, svc.params, &err) < 0 ||
		(service->start_root && service->start_root(&svc, &err) < 0) ||
		(service->start_user && service->start_user(&svc, &err) < 0))
		log_panic("%s", err);
	return 0;
}

int service_connect(struct service_ctx *s, const char *unix_name, int64_t deadline, const char **err_r)
{
	(void)s;
	(void)deadline;
	(void)unix_name;
	*err_r = "There is no other program.";
	return -1;
}

int service_connect_by(struct service_ctx *s, const char *unix_name, uint32_t key, int64_t deadline,
	const char **err_r)
{
	(void)key;
	return service_connect(s, unix_name, deadline, err_r);
}

struct ipc_client *service_ipc_client(struct service_ctx *s, const char *unix_name)
{
	static struct ipc_client *clients[4]; /* for the leak checker */
	static size_t n;
	(void)s;
	(void)unix_name;
	if (n == COUNT_OF(clients))
		abort();
	return clients[n++] = ipc_client_new("/nonexistent");
}

struct tls_context *service_tls(struct service_ctx *s)
{
	static struct tls_context *tls; /* for the leak checker */
	if (tls)
		return tls;
	const char *cert = pool_printf(s->pool, "%s/cert.pem", dir), *key = pool_printf(s->pool, "%s/key.pem", dir), *err;
	certificate_write(cert, key);
	if (tls_server_new(cert, key, &tls, &err) < 0)
		log_panic("%s", err);
	return tls;
}

const char *service_uid_user(struct service_ctx *s, uid_t uid)
{
	(void)s;
	(void)uid;
	return "login";
}

int service_new_segment(struct service_ctx *s, uint64_t *id_r, const char **err_r)
{
	(void)s;
	(void)id_r;
	*err_r = "There are no segments.";
	return -1;
}

int service_new_temp(struct service_ctx *s, const char **err_r)
{
	(void)s;
	*err_r = "There are no files.";
	return -1;
}

struct fiber_cond *service_stop_cond(struct service_ctx *s)
{
	(void)s;
	return &never;
}

void service_conn_count(struct conn *conn, bool on)
{
	(void)conn;
	(void)on;
}

void service_address_hold(struct service_ctx *s, const char *service, const char *ip)
{
	(void)s;
	(void)service;
	(void)ip;
}

void service_address_release(struct service_ctx *s, const char *service, const char *ip)
{
	(void)s;
	(void)service;
	(void)ip;
}

void service_count(struct service_ctx *s, unsigned index, uint64_t add)
{
	(void)s;
	(void)index;
	(void)add;
}

/* --- connections --- */

#define ENDS_MAX     2
#define SWITCHES_MAX 16

struct client {
	struct end {
		int in, out, server; /* server: -2 when it has ended */
		struct str *replies;
		bool over;
	} ends[ENDS_MAX];
	size_t n;
	struct span bytes;
	size_t step;
	engine_before_fn before;
};

/* How much goes now; 0 when the other connection is to go on. */
static size_t next_piece(const struct client *c)
{
	size_t n = c->step < c->bytes.n ? c->step : c->bytes.n;
	size_t end = c->n > 1 ? span_index(c->bytes, 0, ENGINE_SWITCH) : n;
	return end < n ? end : n;
}

static void send_pieces(void *arg)
{
	struct client *c = arg;
	size_t at = 0, switches = 0;
	for (size_t i = 0; c->before && i < c->n; i++)
		c->before(c->ends[i].out);
	while (c->bytes.n) {
		size_t n = next_piece(c);
		ssize_t done = n ? io_write(c->ends[at].out, c->bytes.p, n, IO_FOREVER) : 1;
		if (done <= 0)
			break; /* the server has said good-bye */
		c->bytes = span_make(c->bytes.p + done, c->bytes.n - (size_t)done);
		if (!n && switches++ < SWITCHES_MAX) {
			at = 1 - at;
			io_sleep(1); /* it has done what it was told, mostly */
		}
		fiber_yield();
	}
	for (size_t i = 0; i < c->n; i++) {
		shutdown(c->ends[i].out, SHUT_WR);
		io_close(&c->ends[i].out);
	}
}

static void read_all(void *arg)
{
	struct end *e = arg;
	char block[16384];
	for (ssize_t n; (n = io_read(e->in, block, sizeof(block), IO_FOREVER)) > 0;)
		str_add(e->replies, block, (size_t)n);
	io_close(&e->in);
	e->over = true;
}

static void fill_peer(struct conn *c)
{
	struct sockaddr_in *v4 = (struct sockaddr_in *)&c->peer;
	v4->sin_family = AF_INET;
	inet_pton(AF_INET, "192.0.2.1", &v4->sin_addr);
	c->peer_ip = "192.0.2.1";
	snprintf(c->session, sizeof(c->session), "Sfuzz");
}

static void serve(void *arg)
{
	int *fd = arg;
	struct pool *pool = pool_new("connection");
	struct conn *c = pool_new_of(pool, struct conn);
	c->svc = &svc;
	c->pool = pool;
	c->fd = -1;
	fill_peer(c);
	if (svc.service->flags & SERVICE_RAW)
		c->fd = *fd;
	else
		c->stream = stream_new(*fd);
	*fd = -1;
	svc.service->serve(c);
	stream_close(&c->stream);
	io_close(&c->fd);
	pool_free(&pool);
	*fd = -2;
}

static void start_end(struct end *e, struct str *replies)
{
	int sv[2];
	if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0, sv) != 0)
		abort();
	*e = (struct end){.out = sv[0], .in = fcntl(sv[0], F_DUPFD_CLOEXEC, 3), .server = sv[1], .replies = replies};
	fiber_start("server", serve, &e->server);
	fiber_start("reader", read_all, e);
}

static bool is_over(const struct client *c)
{
	for (size_t i = 0; i < c->n; i++)
		if (!c->ends[i].over || c->ends[i].out >= 0 || c->ends[i].server != -2)
			return false;
	return true;
}

static void serve_ends(struct client *c, struct str *replies)
{
	for (size_t i = 0; i < c->n; i++)
		start_end(&c->ends[i], &replies[i]);
	fiber_start("sender", send_pieces, c);
	while (!is_over(c))
		loop_turn(1000);
}

void engine_serve(engine_before_fn before, struct span bytes, size_t step, struct str *replies)
{
	struct client c = {.n = 1, .bytes = bytes, .step = step, .before = before};
	serve_ends(&c, replies);
}

void engine_serve_two(engine_before_fn before, struct span bytes, size_t step, struct str replies[2])
{
	struct client c = {.n = 2, .bytes = bytes, .step = step, .before = before};
	serve_ends(&c, replies);
}

struct service_ctx *engine_start(int (*program)(int argc, char **argv), const char *settings)
{
	static char name[] = "fuzz";
	char *argv[] = {name, NULL};
	const char *err;
	if (log_open("fuzz", "/dev/null", LOG_LEVEL_INFO, &err) < 0)
		abort();
	conf_text = settings;
	make_dir();
	program(1, argv);
	return &svc;
}
