#include "auth/auth.h"

#include "auth/turns.h"
#include "base/array.h"
#include "base/log.h"
#include "conf/conf.h"

/* Hashing may have to wait for its turn. */
#define AUTH_DEADLINE_MS 20000

struct auth {
	struct ipc_client *client;
	char *remote_ip;
	uint64_t id;
	/* Success was said with data: what remains is the client's empty answer to it. */
	struct pool *pool;
	struct dir_auth_reply success;
};

static void auth_free(struct auth **auth)
{
	if (!*auth)
		return;
	pool_free(&(*auth)->pool);
	mem_free(&(*auth)->remote_ip);
	mem_free(auth);
}

/* In its address's turn. 0, or -1 with *err_r. */
static int ask(struct ipc_client *c, struct pool *pool, const char *remote_ip, struct ipc_call *call,
	const char **err_r)
{
	struct auth_turn *turn;
	*err_r = "Too many others of that address are asked about.";
	if (auth_turn_take(remote_ip, call->deadline, &turn) < 0)
		return -1;
	call->deadline = io_deadline(AUTH_DEADLINE_MS);
	int rc = ipc_client_call(c, pool, call, err_r);
	auth_turn_give(&turn);
	return rc == 0 ? 0 : -1;
}

static enum auth_state call_directory(struct ipc_client *c, struct pool *pool, const char *remote_ip,
	const struct ipc_msg *type, const void *body, struct dir_auth_reply *reply_r)
{
	struct ipc_call call = {
		.request = type,
		.body = body,
		.reply_type = &dir_auth_reply_msg,
		.reply = reply_r,
		.deadline = io_deadline(AUTH_DEADLINE_MS),
	};
	const char *err;
	if (ask(c, pool, remote_ip, &call, &err) != 0) {
		log_warning("authentication can't be asked for: %s", err);
		*reply_r = (struct dir_auth_reply){.state = AUTH_TEMPFAIL,
			.data = span_of(""),
			.ticket = span_of(""),
			.user = "",
			.account = "",
			.text = err};
	}
	if (reply_r->delay_ms)
		io_sleep((int64_t)reply_r->delay_ms);
	return (enum auth_state)reply_r->state;
}

static struct auth *auth_keep(
	struct auth **auth, struct ipc_client *c, const char *remote_ip, uint64_t id)
{
	if (!*auth) {
		*auth = mem_new(struct auth);
		(*auth)->remote_ip = mem_strdup(remote_ip);
	}
	(*auth)->client = c;
	(*auth)->id = id;
	return *auth;
}

static void keep_success(struct auth *a, const struct dir_auth_reply *reply)
{
	a->pool = pool_new("auth success");
	a->success = (struct dir_auth_reply){
		.state = AUTH_OK,
		.data = span_of(""),
		.user = pool_strdup(a->pool, reply->user),
		.account = pool_strdup(a->pool, reply->account),
		.ticket = pool_copy(a->pool, reply->ticket),
		.text = "",
	};
}

/* Keeps the exchange while it goes on, forgets it otherwise. */
static enum auth_state settle(struct auth **auth, struct ipc_client *c, const char *remote_ip,
	enum auth_state state, struct dir_auth_reply *reply)
{
	if (state == AUTH_OK && reply->data.n) {
		keep_success(auth_keep(auth, c, remote_ip, 0), reply);
		reply->state = AUTH_CONTINUE;
		return AUTH_CONTINUE;
	}
	if (state == AUTH_CONTINUE)
		auth_keep(auth, c, remote_ip, reply->id);
	else
		auth_free(auth);
	return state;
}

/* The client has answered the data that came with success. */
static enum auth_state finish(
	struct auth **auth, struct pool *pool, struct span data, struct dir_auth_reply *reply_r)
{
	*reply_r = (*auth)->success;
	reply_r->user = pool_strdup(pool, reply_r->user);
	reply_r->account = pool_strdup(pool, reply_r->account);
	reply_r->ticket = pool_copy(pool, reply_r->ticket);
	if (data.n) {
		reply_r->state = AUTH_FAILED;
		reply_r->text = "The client answered the server's signature with data.";
	}
	auth_free(auth);
	return (enum auth_state)reply_r->state;
}

const char *auth_mechanisms(struct ipc_client *c, struct pool *pool, bool tls)
{
	struct dir_mechanisms_request rq = {.tls = tls};
	struct dir_mechanisms_reply reply = {0};
	struct ipc_call call = {
		.request = &dir_mechanisms_request_msg,
		.body = &rq,
		.reply_type = &dir_mechanisms_reply_msg,
		.reply = &reply,
		.deadline = io_deadline(DIRECTORY_DEADLINE_MS),
	};
	const char *err;
	if (ipc_client_call(c, pool, &call, &err) != 0) {
		log_warning("authentication can't be offered: %s", err);
		return "";
	}
	return reply.names;
}

bool auth_is_listed(const char *list, bool binding, struct span mechanism)
{
	static const struct span plus = SPAN_LIT("-PLUS");
	size_t at = 0;
	struct span word, base = mechanism;
	if (mechanism.n > plus.n
		&& span_ieq(span_make(mechanism.p + mechanism.n - plus.n, plus.n), plus)) {
		if (!binding)
			return false;
		base.n -= plus.n;
	}
	while (conf_list_next(list, &at, &word))
		if (span_ieq(word, mechanism) || span_ieq(word, base))
			return true;
	return false;
}

/* What the client may bind its exchange to; it names one of them in its first message. */
static struct ipc_list bindings_of(struct pool *pool, const struct stream *stream)
{
	static const char *const types[] = {"tls-exporter", "tls-unique", "tls-server-end-point"};
	ARRAY(struct dir_binding) all = ARRAY_IN(pool);
	for (size_t i = 0; i < COUNT_OF(types); i++) {
		struct str data = STR_IN(pool);
		if (stream_channel_binding(stream, types[i], &data))
			*array_add(&all) = (struct dir_binding){types[i], str_span(&data)};
	}
	return (struct ipc_list){all.v, all.n};
}

enum auth_state auth_start(struct ipc_client *c, struct pool *pool, const struct auth_request *rq,
	struct auth **auth_r, struct dir_auth_reply *reply_r)
{
	bool tls = rq->stream && stream_is_tls(rq->stream);
	struct dir_auth_start body = {
		.mechanism = rq->mechanism,
		.service = rq->service,
		.remote_ip = rq->remote_ip,
		.tls = tls || rq->assume_secure,
		.has_initial = rq->initial != NULL,
		.initial = rq->initial ? *rq->initial : span_of(""),
	};
	if (tls && rq->offers_binding)
		body.bindings = bindings_of(pool, rq->stream);
	*auth_r = NULL;
	return settle(auth_r, c, rq->remote_ip,
		call_directory(c, pool, rq->remote_ip, &dir_auth_start_msg, &body, reply_r), reply_r);
}

enum auth_state auth_step(
	struct auth **auth, struct pool *pool, struct span data, struct dir_auth_reply *reply_r)
{
	if ((*auth)->pool)
		return finish(auth, pool, data, reply_r);
	struct ipc_client *c = (*auth)->client;
	const char *ip = (*auth)->remote_ip;
	struct dir_auth_step body = {.id = (*auth)->id, .data = data};
	return settle(
		auth, c, ip, call_directory(c, pool, ip, &dir_auth_step_msg, &body, reply_r), reply_r);
}

void auth_cancel(struct auth **auth)
{
	if (!*auth)
		return;
	if (!(*auth)->pool) {
		struct dir_auth_step body = {
			.id = (*auth)->id, .data = span_of(""), .cancel = true};
		/* Nobody waits for the answer; if there is no connection now, the exchange went with it. */
		ipc_client_notify((*auth)->client, &dir_auth_step_msg, &body, NULL, 0);
	}
	auth_free(auth);
}

enum auth_state auth_password(struct ipc_client *c, struct pool *pool,
	const struct auth_request *rq, const char *user, const char *password,
	struct dir_auth_reply *reply_r)
{
	struct str plain = STR_IN(pool);
	str_reserve(&plain, strlen(user) + strlen(password) + 3); /* it must not leave copies behind */
	str_putc(&plain, '\0');
	str_add(&plain, user, strlen(user) + 1);
	str_puts(&plain, password);
	struct span initial = str_span(&plain);
	struct auth_request with = *rq;
	with.mechanism = "PLAIN";
	with.initial = &initial;
	struct auth *auth;
	enum auth_state state = auth_start(c, pool, &with, &auth, reply_r);
	explicit_bzero(plain.s, plain.len);
	if (state == AUTH_CONTINUE) {
		auth_cancel(&auth);
		state = AUTH_FAILED;
	}
	return state;
}

bool auth_redeem(struct ipc_client *c, struct pool *pool, struct span ticket, const char *service,
	struct dir_redeem_reply *reply_r)
{
	struct dir_redeem_request rq = {.ticket = ticket, .service = service};
	struct ipc_call call = {
		.request = &dir_redeem_request_msg,
		.body = &rq,
		.reply_type = &dir_redeem_reply_msg,
		.reply = reply_r,
		.deadline = io_deadline(DIRECTORY_DEADLINE_MS),
	};
	const char *err;
	if (ipc_client_call(c, pool, &call, &err) != 0) {
		log_warning("a login ticket can't be redeemed: %s", err);
		return false;
	}
	return reply_r->ok;
}
