#include "auth/auth.h"

#include "base/array.h"
#include "base/log.h"

/* directoryd delays refusals on purpose; the limit is beyond its longest delay. */
#define AUTH_DEADLINE_MS 30000

struct auth {
	struct ipc_client *client;
	uint64_t id;
};

static enum auth_state call_directory(struct ipc_client *c, struct pool *pool,
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
	if (ipc_client_call(c, pool, &call, &err) != 0) {
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

/* Keeps the exchange while it goes on, forgets it otherwise. */
static enum auth_state settle(struct auth **auth, struct ipc_client *c, enum auth_state state,
	const struct dir_auth_reply *reply)
{
	if (state != AUTH_CONTINUE) {
		if (*auth)
			mem_free(auth);
		return state;
	}
	if (!*auth)
		*auth = mem_new(struct auth);
	(*auth)->client = c;
	(*auth)->id = reply->id;
	return state;
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

enum auth_state auth_start(struct ipc_client *c, struct pool *pool, const struct auth_request *rq,
	struct auth **auth_r, struct dir_auth_reply *reply_r)
{
	static const char *const bindings[] = {"tls-exporter", "tls-unique"};
	bool tls = rq->stream && stream_is_tls(rq->stream);
	struct str binding = STR_IN(pool);
	const char *type = "";
	for (size_t i = 0; tls && i < COUNT_OF(bindings) && !*type; i++)
		if (stream_channel_binding(rq->stream, bindings[i], &binding))
			type = bindings[i];
	struct dir_auth_start body = {
		.mechanism = rq->mechanism,
		.service = rq->service,
		.remote_ip = rq->remote_ip,
		.tls = tls,
		.has_initial = rq->initial != NULL,
		.initial = rq->initial ? *rq->initial : span_of(""),
		.binding_type = type,
		.binding = str_span(&binding),
	};
	*auth_r = NULL;
	return settle(
		auth_r, c, call_directory(c, pool, &dir_auth_start_msg, &body, reply_r), reply_r);
}

enum auth_state auth_step(
	struct auth **auth, struct pool *pool, struct span data, struct dir_auth_reply *reply_r)
{
	struct ipc_client *c = (*auth)->client;
	struct dir_auth_step body = {.id = (*auth)->id, .data = data};
	return settle(
		auth, c, call_directory(c, pool, &dir_auth_step_msg, &body, reply_r), reply_r);
}

void auth_cancel(struct auth **auth)
{
	if (!*auth)
		return;
	struct pool *pool = pool_new("auth cancel");
	struct dir_auth_step body = {.id = (*auth)->id, .data = span_of(""), .cancel = true};
	struct dir_auth_reply ignored;
	call_directory((*auth)->client, pool, &dir_auth_step_msg, &body, &ignored);
	pool_free(&pool);
	mem_free(auth);
}

enum auth_state auth_password(struct ipc_client *c, struct pool *pool,
	const struct auth_request *rq, const char *user, const char *password,
	struct dir_auth_reply *reply_r)
{
	struct str plain = STR_IN(pool);
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
