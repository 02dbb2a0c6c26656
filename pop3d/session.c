#include "pop3d/pop3d.h"

#include <sys/socket.h>

#include "base/log.h"
#include "login/messages.h"

static int open_session(struct session *s, const struct login_handoff *handoff,
	struct dir_redeem_reply *who, const char **reply_r)
{
	if (!auth_enter(s->daemon->accounts, s->pool, handoff->ticket, "pop", &s->login, who)) {
		*reply_r = "-ERR [SYS/TEMP] The login can't be completed now";
		return -1;
	}
	struct account_limits limits = {
		.bytes = who->quota_bytes, .messages = who->quota_messages};
	return maildrop_open(s, who->account, &limits, reply_r);
}

static int read_command(struct session *s, struct span *line)
{
	s->waiting = true;
	int rc = stream_read_line(s->stream, POP3_LINE_MAX, line, NULL);
	s->waiting = false;
	return rc;
}

static void run_commands(struct session *s)
{
	const struct service_ctx *svc = s->daemon->svc;
	struct span line;
	int rc;
	while (!s->over && !s->gone && !svc->closing
		&& ((rc = read_command(s, &line)) == 1 || rc == STREAM_TOO_LONG)) {
		if (rc == STREAM_TOO_LONG)
			pop3_bad(s, "-ERR Line too long");
		else
			pop3_run_line(s, line);
		pool_reset(s->command_pool);
	}
	if (!s->over && s->gone)
		pop3_say(s, "-ERR [SYS/PERM] This account is closed");
	else if (!s->over && svc->closing)
		pop3_say(s, "-ERR [SYS/TEMP] Server shutting down");
	stream_flush(s->stream);
}

/* The fiber finds the end of its input, and says why. */
static void wake(struct session *s)
{
	if (s->waiting)
		shutdown(stream_fd(s->stream), SHUT_RD);
}

void pop3_stop_all(struct pop3d *daemon)
{
	list_each (at, &daemon->sessions)
		wake(list_entry(at, struct session, link));
}

static void account_gone(struct auth_login *login)
{
	struct session *s = container_of(login, struct session, login);
	s->gone = true;
	wake(s);
}

/* Once there is an answer for the client. False: it is not ours, and never was. */
static bool take_client(struct session *s, struct conn *conn, const struct login_handoff *handoff)
{
	const char *err;
	int client = handoff_take(&conn->fd, io_deadline(HANDOFF_MS), &err);
	if (client < 0) {
		log_warning("a session was not taken over: %s", err);
		return false;
	}
	s->stream = stream_new(client);
	stream_set_timeout(s->stream, s->daemon->conf->idle_timeout);
	stream_unread(s->stream, handoff->input);
	return true;
}

static void answer(struct session *s, const char *refusal)
{
	if (refusal)
		pop3_say(s, refusal);
	else
		stream_printf(s->stream, "+OK %u messages\r\n", s->count);
	stream_flush_try(s->stream);
}

static void run_session(struct session *s)
{
	run_commands(s);
	/* Without QUIT nothing is deleted (RFC 1939 section 6), but what was read was read. */
	if (!s->update)
		maildrop_update(s);
	log_info("session ended messages=%u deleted=%u", s->count, s->update ? s->count - s->left : 0);
}

static void serve_client(struct session *s, struct conn *conn, const struct login_handoff *handoff)
{
	struct dir_redeem_reply who = {0};
	struct log_context context = {.session = handoff->session};
	struct log_context *outer = log_context_swap(&context);
	const char *reply = NULL;
	if (open_session(s, handoff, &who, &reply) == 0)
		context.user = who.user;
	if (take_client(s, conn, handoff)) {
		answer(s, reply);
		io_close(&conn->fd); /* the login program need not watch any longer */
		if (!reply)
			run_session(s);
	}
	maildrop_close(s);
	log_context_swap(outer);
}

static void run_client(struct conn *conn, const struct login_handoff *handoff)
{
	struct session s = {
		.daemon = conn->svc->state, .pool = conn->pool, .command_pool = pool_new("command")};
	s.login.gone = account_gone;
	list_add_tail(&s.daemon->sessions, &s.link);
	/* A client with TLS stays a connection of its login program, which counts it. */
	if (!handoff->tls)
		service_address_hold(conn->svc, handoff->service, handoff->peer_ip);
	serve_client(&s, conn, handoff);
	if (!handoff->tls)
		service_address_release(conn->svc, handoff->service, handoff->peer_ip);
	list_remove(&s.link);
	auth_leave(s.daemon->accounts, &s.login);
	stream_close(&s.stream);
	pool_free(&s.command_pool);
}

void pop3_serve(struct conn *conn)
{
	const char *err, *who = service_uid_user(conn->svc, conn->peer_uid);
	struct login_handoff handoff;
	if (!who || (strcmp(who, "login") != 0 && strcmp(who, "root") != 0)) {
		log_error("A session is refused: user id %d is no login program.", (int)conn->peer_uid);
		return;
	}
	if (handoff_receive(conn->fd, conn->pool, &handoff, io_deadline(HANDOFF_MS), &err) == 0)
		run_client(conn, &handoff);
	else
		log_warning("a session was not taken over: %s", err);
}
