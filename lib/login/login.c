#include "login/login.h"

#include <sys/socket.h>

#include "base/clock.h"
#include "base/codec.h"
#include "base/log.h"
#include "login/messages.h"
#include "os/os.h"

#define OFFER_MS     60000 /* how often directoryd is asked for its mechanisms */
#define RETRY_MS     1000  /* when it did not answer */
#define FIRST_OFFER_MS 10000

/* When the server stops, who has not logged in need not be waited for: their next read finds the end. */
static void stop_fiber(void *arg)
{
	struct service_ctx *svc = arg;
	struct login_shared *shared = svc->state;
	while (!svc->closing)
		fiber_wait(service_stop_cond(svc), IO_FOREVER);
	list_each (at, &shared->logins)
		shutdown(stream_fd(list_entry(at, struct login, link)->conn->stream), SHUT_RD);
}

static bool ask_for_offer(struct login_shared *shared, bool secure)
{
	struct pool *pool = pool_new("offer");
	const char *names = auth_mechanisms(shared->directory, pool, secure);
	bool known = *names;
	if (known) {
		mem_free(&shared->offers[secure]);
		shared->offers[secure] = mem_strdup(names);
		fiber_wake_all(&shared->offered);
	}
	pool_free(&pool);
	return known;
}

/* No connection waits for directoryd to be greeted. */
static void offers_fiber(void *arg)
{
	struct service_ctx *svc = arg;
	struct login_shared *shared = svc->state;
	while (!svc->stopping) {
		bool known = ask_for_offer(shared, false) && ask_for_offer(shared, true);
		fiber_wait(service_stop_cond(svc), io_deadline(known ? OFFER_MS : RETRY_MS));
	}
}

int login_start(struct service_ctx *svc, const char **err_r)
{
	struct login_shared *shared = pool_new_of(svc->pool, struct login_shared);
	(void)err_r;
	shared->directory = service_ipc_client(svc, "directory-auth");
	list_init(&shared->logins);
	svc->state = shared;
	fiber_start("stop", stop_fiber, svc);
	fiber_start("offers", offers_fiber, svc);
	return 0;
}

void login_init(struct login *l, struct conn *conn, const char *service, const char *worker)
{
	*l = (struct login){
		.conn = conn,
		.conf = conn->svc->params,
		.shared = conn->svc->state,
		.attempt = pool_new("login attempt"),
		.service = service,
		.worker = worker,
	};
	list_add_tail(&l->shared->logins, &l->link);
	stream_set_timeout(conn->stream, l->conf->login_timeout);
	stream_set_deadline(conn->stream, io_deadline(l->conf->login_timeout));
}

void login_fini(struct login *l)
{
	list_remove(&l->link);
	pool_free(&l->attempt);
}

bool login_is_secure(const struct login *l)
{
	return stream_is_tls(l->conn->stream) || l->conf->plain_without_tls;
}

bool login_has_tls(const struct login *l)
{
	return service_tls(l->conn->svc) && !stream_is_tls(l->conn->stream);
}

/* Waits only while nobody knows yet. */
static const char *offer(struct login_shared *shared, bool secure)
{
	int64_t deadline = io_deadline(FIRST_OFFER_MS);
	while (!shared->offers[secure])
		if (fiber_wait(&shared->offered, deadline) != 0)
			return "";
	return shared->offers[secure];
}

static bool is_listed(const struct login *l, struct span mechanism)
{
	return auth_is_listed(
		l->conf->auth_mechanisms, l->conf->auth_channel_binding, mechanism);
}

const char *login_mechanisms(struct login *l, struct pool *pool)
{
	struct span rest = span_of(pool_strdup(pool, offer(l->shared, login_is_secure(l)))), word;
	bool tls = stream_is_tls(l->conn->stream);
	struct str out = STR_IN(pool);
	while (span_split(&rest, ' ', &word)) {
		if (!is_listed(l, word))
			continue;
		if (!tls && word.n > 5 && span_is(span_make(word.p + word.n - 5, 5), "-PLUS"))
			continue; /* nothing to bind to */
		if (out.len)
			str_putc(&out, ' ');
		str_add_span(&out, word);
	}
	return str_c(&out);
}

static struct auth_request request_of(const struct login *l, const char *mechanism)
{
	return (struct auth_request){
		.mechanism = mechanism,
		.service = l->service,
		.remote_ip = l->conn->peer_ip,
		.stream = l->conn->stream,
		.assume_secure = l->conf->plain_without_tls,
		.offers_binding = l->conf->auth_channel_binding,
	};
}

static enum login_result conclude(struct login *l, enum auth_state state)
{
	switch (state) {
	case AUTH_OK:
		log_info("login service=%s user=%s remote=%s tls=%s", l->service,
			log_q(l->reply.user), l->conn->peer_ip,
			stream_is_tls(l->conn->stream) ? "yes" : "no");
		return LOGIN_OK;
	case AUTH_TEMPFAIL:
		return LOGIN_TEMPFAIL;
	case AUTH_BAD_MECHANISM:
		return LOGIN_BAD_MECHANISM;
	default:
		l->failures++;
		return LOGIN_FAILED;
	}
}

enum login_result login_password(struct login *l, const char *user, const char *password)
{
	if (!login_is_secure(l))
		return LOGIN_NEEDS_TLS;
	struct auth_request rq = request_of(l, "PLAIN");
	pool_reset(l->attempt);
	return conclude(l,
		auth_password(l->shared->directory, l->attempt, &rq, user, password, &l->reply));
}

/* Sends the challenge, reads the answer; the decoded bytes go to data. */
static enum login_result ask_client(struct login *l, struct span challenge, struct str *data)
{
	struct stream *s = l->conn->stream;
	struct str line = STR_INIT;
	struct span answer;
	str_puts(&line, "+ ");
	base64_put(&line, challenge);
	str_puts(&line, "\r\n");
	stream_write_span(s, str_span(&line));
	str_fini(&line);
	int rc = stream_flush(s) == 0 ? stream_read_line(s, LOGIN_LINE_MAX, &answer, NULL) : -1;
	if (rc == STREAM_TOO_LONG)
		return LOGIN_MALFORMED;
	if (rc != 1)
		return LOGIN_GONE;
	if (span_is(answer, "*"))
		return LOGIN_CANCELLED;
	str_reset(data);
	str_reserve(data, answer.n); /* it must not leave copies behind */
	return base64_parse(data, answer) ? LOGIN_OK : LOGIN_MALFORMED;
}

static enum login_result exchange(struct login *l, const struct auth_request *rq, struct str *data)
{
	struct auth *auth;
	enum auth_state state = auth_start(l->shared->directory, l->attempt, rq, &auth, &l->reply);
	while (state == AUTH_CONTINUE) {
		enum login_result rc = ask_client(l, l->reply.data, data);
		if (rc != LOGIN_OK) {
			auth_cancel(&auth);
			return rc;
		}
		state = auth_step(&auth, l->attempt, str_span(data), &l->reply);
	}
	return conclude(l, state);
}

enum login_result login_sasl(struct login *l, const char *mechanism, const struct span *initial)
{
	bool plain = span_iis(span_of(mechanism), "PLAIN") || span_iis(span_of(mechanism), "LOGIN");
	struct auth_request rq = request_of(l, mechanism);
	enum login_result rc = LOGIN_MALFORMED;
	struct str data = STR_INIT;
	if (!is_listed(l, span_of(mechanism)))
		return LOGIN_BAD_MECHANISM;
	if (plain && !login_is_secure(l))
		return LOGIN_NEEDS_TLS;
	pool_reset(l->attempt);
	if (initial)
		str_reserve(&data, initial->n); /* it must not leave copies behind */
	if (!initial || span_is(*initial, "=") || base64_parse(&data, *initial)) {
		struct span first = str_span(&data);
		if (initial)
			rq.initial = &first;
		rc = exchange(l, &rq, &data);
	}
	if (data.cap)
		explicit_bzero(data.s, data.cap);
	str_fini(&data);
	return rc;
}

bool login_is_hopeless(const struct login *l)
{
	return l->failures >= l->conf->failures_max;
}

/* What the client sent behind the login command and nobody has read. */
static struct span unread(struct stream *s)
{
	struct span input = span_of("");
	if (!stream_peek(s, 0, &input))
		return span_of("");
	return input;
}

/* To the worker that has the account open already, if there is one (the user's name stands for the account). */
static int connect_worker(struct login *l, bool by_account, int64_t deadline, const char **err_r)
{
	const char *user = l->reply.user;

	return by_account ? service_connect_by(l->conn->svc, l->worker,
				    os_crc32c(0, user, strlen(user)), deadline, err_r)
			  : service_connect(l->conn->svc, l->worker, deadline, err_r);
}

/* To a worker that is ready, which counts a client that becomes its own. client: see handoff_give. */
static int give(struct login *l, int sock, int client, int64_t deadline, const char **err_r)
{
	if (client >= 0)
		service_conn_count(l->conn, false);
	if (handoff_give(sock, client, deadline, err_r) == 0)
		return 0;
	service_conn_count(l->conn, true);
	return -1;
}

/* The connection to a worker that is to have the session, and has got the client; -1: nobody, in time. A worker that has just
 * died may not have seen the ticket: another one can have it. client: see handoff_give. */
static int hand_to_worker(struct login *l, const struct login_handoff *handoff, int client)
{
	int64_t deadline = io_deadline(l->conf->hand_over_timeout);
	const char *err = "There was no time for it.";
	int sock = -1;
	for (int tries = 0; tries < 2 && clock_mono_ms() < deadline; tries++) {
		sock = connect_worker(l, tries == 0, deadline, &err);
		if (sock >= 0 && handoff_send(sock, handoff, deadline, &err) == 0 &&
			handoff_wait(sock, deadline, &err) == 0 &&
			give(l, sock, client, deadline, &err) == 0)
			return sock;
		io_close(&sock);
	}
	log_error("no worker for a session: %s", err);
	return -1;
}

static void proxy(struct login *l, int *sock)
{
	struct stream *worker = stream_new(*sock);
	*sock = -1;
	stream_set_deadline(l->conn->stream, IO_FOREVER);
	stream_set_timeout(l->conn->stream, l->conf->proxy_timeout);
	stream_set_timeout(worker, l->conf->proxy_timeout);
	stream_proxy(l->conn->stream, worker);
	stream_close(&worker);
}

/* The worker has been given the client, and what it sent. */
static enum login_end see_off(struct login *l, size_t input, bool proxied, int *sock)
{
	struct stream *client = l->conn->stream;
	switch (handoff_watch(*sock, proxied, io_deadline(l->conf->hand_over_timeout))) {
	case HANDOFF_TAKEN:
		stream_consume(client, input);
		if (proxied)
			proxy(l, sock);
		return LOGIN_PASSED;
	case HANDOFF_LEFT:
		log_error("no worker for a session: it left before it had the session.");
		service_conn_count(l->conn, true);
		return LOGIN_KEPT;
	case HANDOFF_LOST:
		break;
	}
	log_error("a worker that has got a session does nothing with it");
	if (proxied)
		return LOGIN_LOST;
	shutdown(stream_fd(client), SHUT_RDWR); /* of the worker's descriptor, too; it may speak any moment, we must not */
	return LOGIN_PASSED;
}

static enum login_end hand_over(struct login *l, const char *tag)
{
	struct conn *conn = l->conn;
	bool proxied = stream_is_tls(conn->stream);
	if (stream_flush(conn->stream) != 0)
		return LOGIN_PASSED;
	struct login_handoff handoff = {
		.ticket = l->reply.ticket,
		.tag = tag,
		.peer_ip = conn->peer_ip,
		.session = conn->session,
		.tls = proxied,
		.service = conn->svc->instance,
		.input = unread(conn->stream),
	};
	int sock = hand_to_worker(l, &handoff, proxied ? -1 : stream_fd(conn->stream));
	if (sock < 0)
		return LOGIN_KEPT;
	enum login_end end = see_off(l, handoff.input.n, proxied, &sock);
	io_close(&sock);
	return end;
}

/* A stop that comes meanwhile leaves the client alone: who has it in the end says good-bye. */
enum login_end login_hand_over(struct login *l, const char *tag)
{
	list_remove(&l->link);
	enum login_end end = hand_over(l, tag);
	list_add_tail(&l->shared->logins, &l->link);
	return end;
}
