/*
 * pop3_login: POP3 before login (RFC 1939 section 4, 1734/5034 AUTH, 2449 CAPA, 2595 STLS).
 *
 * Trust: reads strangers' bytes, in an empty chroot under an uid of its own; can write nothing.
 * Owns:  nothing but the connection.
 * Talks: to directoryd (passwords), to pop3d (the session, after login).
 */
#include <string.h>

#include "base/array.h"
#include "base/log.h"
#include "login/login.h"
#include "pop3/capability.h"
#include "pop3/command.h"

#define BAD_COMMANDS_MAX 10

struct session {
	struct login login;
	struct stream *stream;
	struct pool *pool;  /* the command's */
	struct str user;    /* from USER; empty: none */
	unsigned bad_commands;
	bool over;
};

enum verb_flags { NEEDS_ARG = 1, TAKES_NONE = 2 };

struct verb {
	const char *name;
	void (*run)(struct session *s, struct span arg);
	unsigned flags;
};

static void say(struct session *s, const char *line)
{
	stream_puts(s->stream, line);
	stream_puts(s->stream, "\r\n");
}

/* One more reply that no client needs which knows what it does. */
static void bad(struct session *s, const char *why)
{
	say(s, why);
	if (++s->bad_commands > BAD_COMMANDS_MAX)
		s->over = true;
}

static void run_capa(struct session *s, struct span arg)
{
	struct str out = STR_IN(s->pool);
	(void)arg;
	pop3_put_capabilities(&out, login_mechanisms(&s->login, s->pool), login_is_secure(&s->login),
		login_has_tls(&s->login));
	stream_write_span(s->stream, str_span(&out));
}

static void run_quit(struct session *s, struct span arg)
{
	(void)arg;
	say(s, "+OK Bye");
	s->over = true;
}

static void run_stls(struct session *s, struct span arg)
{
	const char *err;
	(void)arg;
	if (!login_has_tls(&s->login)) {
		bad(s, "-ERR TLS is not available or active already");
		return;
	}
	say(s, "+OK Begin TLS negotiation");
	str_reset(&s->user);
	if (stream_flush(s->stream) != 0
		|| tls_start(s->stream, service_tls(s->login.conn->svc), NULL, &err) != 0)
		s->over = true;
}

/* The reply after a login attempt; on success the session goes to pop3d, which answers. */
static void conclude(struct session *s, enum login_result result)
{
	static const char *const replies[] = {
		[LOGIN_FAILED] = "-ERR [AUTH] Authentication failed",
		[LOGIN_TEMPFAIL] = "-ERR [SYS/TEMP] Authentication is not possible now",
		[LOGIN_NEEDS_TLS] = "-ERR Use STLS first: passwords are not taken in the clear",
		[LOGIN_BAD_MECHANISM] = "-ERR This mechanism is not offered",
		[LOGIN_CANCELLED] = "-ERR Authentication cancelled",
		[LOGIN_MALFORMED] = "-ERR The answer is not base64",
	};
	enum login_end end = result == LOGIN_OK ? login_hand_over(&s->login, "") : LOGIN_KEPT;
	s->over |= result == LOGIN_GONE || end != LOGIN_KEPT;
	if (result == LOGIN_GONE || end == LOGIN_PASSED)
		return;
	const char *reply = replies[result == LOGIN_OK ? LOGIN_TEMPFAIL : result];
	if (result >= LOGIN_NEEDS_TLS)
		bad(s, reply);
	else
		say(s, reply);
	s->over |= login_is_hopeless(&s->login);
}

static void run_user(struct session *s, struct span arg)
{
	if (!login_is_secure(&s->login)) {
		conclude(s, LOGIN_NEEDS_TLS);
		return;
	}
	str_reset(&s->user);
	str_add_span(&s->user, arg);
	say(s, "+OK Send the password");
}

static void run_pass(struct session *s, struct span arg)
{
	if (!s->user.len) {
		bad(s, "-ERR USER comes first");
		return;
	}
	char *password = pool_span(s->pool, arg);
	enum login_result result = login_password(&s->login, str_c(&s->user), password);
	explicit_bzero(password, arg.n);
	str_reset(&s->user);
	conclude(s, result);
}

static void run_auth(struct session *s, struct span arg)
{
	struct span rest = arg, mechanism, initial;
	if (!arg.n) {
		/* Older clients ask this way what there is (RFC 1734 had no other). */
		struct span names = span_of(login_mechanisms(&s->login, s->pool)), name;
		say(s, "+OK Mechanisms follow");
		while (span_split(&names, ' ', &name)) {
			stream_write_span(s->stream, name);
			stream_puts(s->stream, "\r\n");
		}
		say(s, ".");
		return;
	}
	span_split(&rest, ' ', &mechanism);
	bool has_initial = rest.p != NULL;
	initial = has_initial ? pool_copy(s->pool, rest) : span_of("");
	conclude(s, login_sasl(&s->login, pool_span(s->pool, mechanism),
			    has_initial ? &initial : NULL));
}

static const struct verb verbs[] = {
	{"CAPA", run_capa, TAKES_NONE},
	{"STLS", run_stls, TAKES_NONE},
	{"USER", run_user, NEEDS_ARG},
	{"PASS", run_pass, NEEDS_ARG},
	{"AUTH", run_auth, 0},
	{"QUIT", run_quit, TAKES_NONE},
};

static void run_line(struct session *s, struct span line)
{
	struct pop3_command command;
	/* A name or a password with one would count up to there. */
	if (memchr(line.p, 0, line.n)) {
		bad(s, "-ERR A NUL is not allowed");
		return;
	}
	if (!pop3_parse_command(line, &command)) {
		bad(s, "-ERR No command");
		return;
	}
	for (size_t i = 0; i < COUNT_OF(verbs); i++) {
		const struct verb *v = &verbs[i];
		if (!span_iis(command.verb, v->name))
			continue;
		if (((v->flags & NEEDS_ARG) && !command.rest.n)
			|| ((v->flags & TAKES_NONE) && span_trim(command.rest).n))
			bad(s, "-ERR Wrong number of arguments");
		else
			v->run(s, command.rest);
		return;
	}
	bad(s, "-ERR Unknown command, or log in first");
}

/* The line's memory is the stream's, and a command may read on. */
static void run_copy(struct session *s, struct span line)
{
	struct span copy = pool_copy(s->pool, line);
	run_line(s, copy);
	explicit_bzero((char *)(uintptr_t)copy.p, copy.n); /* it may hold a password */
}

static void serve(struct conn *conn)
{
	struct session s = {.stream = conn->stream, .pool = pool_new("command")};
	struct span line;
	int rc = 1;
	login_init(&s.login, conn, "pop", "pop3d");
	stream_printf(conn->stream, "+OK %s POP3 ready\r\n", conn->svc->common->hostname);
	while (!s.over && !conn->svc->closing
		&& ((rc = stream_read_line(conn->stream, LOGIN_LINE_MAX, &line, NULL)) == 1
			|| rc == STREAM_TOO_LONG)) {
		if (rc == STREAM_TOO_LONG)
			bad(&s, "-ERR Line too long");
		else
			run_copy(&s, line);
		pool_reset(s.pool);
	}
	if (!s.over && conn->svc->closing)
		say(&s, "-ERR [SYS/TEMP] Server shutting down");
	stream_flush_try(conn->stream);
	login_fini(&s.login);
	str_fini(&s.user);
	pool_free(&s.pool);
}

static const struct service pop3_login = {
	.name = "pop3_login",
	.tls = &tls_server,
	.conf_rows = login_conf_rows,
	.conf_size = sizeof(struct login_conf),
	.start_user = login_start,
	.serve = serve,
	.over_limit_reply = "-ERR [SYS/TEMP] Too many connections from your address\r\n",
	.too_busy_reply = "-ERR [SYS/TEMP] Too many connections; try again later\r\n",
};

int main(int argc, char **argv)
{
	return service_run(&pop3_login, argc, argv);
}
