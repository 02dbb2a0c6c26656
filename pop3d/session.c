#include "pop3d/pop3d.h"

#include "auth/auth.h"
#include "base/log.h"
#include "login/messages.h"

#define HANDOFF_MS 10000

static int open_session(struct session *s, const struct login_handoff *handoff,
	struct dir_redeem_reply *who, const char **reply_r)
{
	if (!auth_redeem(s->daemon->directory, s->pool, handoff->ticket, "pop", who)) {
		*reply_r = "-ERR [SYS/TEMP] The login can't be completed now";
		return -1;
	}
	struct account_limits limits = {
		.bytes = who->quota_bytes, .messages = who->quota_messages};
	return maildrop_open(s, who->account, &limits, reply_r);
}

static void run_commands(struct session *s)
{
	struct span line;
	int rc = 1;
	stream_set_timeout(s->stream, s->daemon->conf->idle_timeout);
	while (!s->over && !s->daemon->svc->closing
		&& ((rc = stream_read_line(s->stream, POP3_LINE_MAX, &line, NULL)) == 1
			|| rc == STREAM_TOO_LONG)) {
		if (rc == STREAM_TOO_LONG)
			pop3_say(s, "-ERR Line too long");
		else
			pop3_run_line(s, line);
		pool_reset(s->command_pool);
	}
	if (stream_state(s->stream) == STREAM_OK)
		stream_flush(s->stream);
}

static void run_session(struct session *s, const struct login_handoff *handoff)
{
	struct dir_redeem_reply who = {0};
	struct log_context context = {.session = handoff->session};
	struct log_context *outer = log_context_swap(&context);
	const char *reply;
	if (open_session(s, handoff, &who, &reply) != 0) {
		pop3_say(s, reply);
		stream_flush(s->stream);
	} else {
		context.user = who.user;
		stream_printf(s->stream, "+OK %u messages\r\n", s->count);
		run_commands(s);
		/* Without QUIT nothing is deleted (RFC 1939 section 6), but what was read was read. */
		if (!s->update)
			maildrop_update(s);
		log_info("session ended messages=%u deleted=%u", s->count,
			s->update ? s->count - s->left : 0);
	}
	maildrop_close(s);
	log_context_swap(outer);
}

void pop3_serve(struct pop3d *daemon, int sock)
{
	struct session s = {.daemon = daemon, .pool = pool_new("session")};
	struct login_handoff handoff;
	const char *err;
	int client;
	if (handoff_receive(sock, s.pool, &handoff, &client, io_deadline(HANDOFF_MS), &err) != 0) {
		log_warning("a session was not handed over: %s", err);
		io_close(&sock);
	} else {
		if (client >= 0)
			io_close(&sock);
		s.command_pool = pool_new("command");
		s.stream = stream_new(client >= 0 ? client : sock);
		stream_unread(s.stream, handoff.input);
		run_session(&s, &handoff);
		stream_close(&s.stream);
		pool_free(&s.command_pool);
	}
	pool_free(&s.pool);
}
