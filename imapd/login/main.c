/*
 * imap_login: IMAP before login (RFC 3501 sections 6.1 and 6.2, 4959 SASL-IR, 2971 ID).
 *
 * Trust: reads strangers' bytes, in an empty chroot under an uid of its own; can write nothing.
 * Owns:  nothing but the connection.
 * Talks: to directoryd (passwords), to imapd (the session, after login).
 */
#include <string.h>
#include <sys/socket.h>

#include "base/array.h"
#include "base/log.h"
#include "imap/capability.h"
#include "imap/parse.h"
#include "imap/reader.h"
#include "login/login.h"

#define BAD_COMMANDS_MAX 10
#define LITERAL_MAX      4096 /* before login: names and passwords */
#define COMMAND_MAX      (2 * LOGIN_LINE_MAX) /* with its literals: anybody can leave so much half said */

struct session {
	struct login login;
	struct stream *stream;
	struct pool *pool; /* the command's */
	struct imap_reader reader;
	const char *tag;
	unsigned bad_commands;
	bool over;
};

struct verb {
	const char *name;
	void (*run)(struct session *s, struct imap_parse *args);
};

static void say(struct session *s, const char *tag, const char *text)
{
	stream_printf(s->stream, "%s %s\r\n", tag, text);
}

static void put_capabilities(struct session *s, struct str *out)
{
	bool secure = login_is_secure(&s->login);
	imap_put_capabilities(out, secure ? IMAP_PHASE_TLS : IMAP_PHASE_PLAIN,
		login_mechanisms(&s->login, s->pool), login_has_tls(&s->login), secure);
}

/* One more reply that no client needs which knows what it does. */
static void count_bad(struct session *s)
{
	if (++s->bad_commands <= BAD_COMMANDS_MAX || s->over)
		return;
	say(s, "*", "BYE Too many bad commands");
	s->over = true;
}

static void bad(struct session *s, const char *tag, const char *why)
{
	stream_printf(s->stream, "%s BAD %s\r\n", tag, why);
	count_bad(s);
}

static bool no_arguments(struct session *s, struct imap_parse *args)
{
	if (imap_parse_end(args))
		return true;
	bad(s, s->tag, "This command takes no arguments");
	return false;
}

static void run_capability(struct session *s, struct imap_parse *args)
{
	struct str out = STR_IN(s->pool);
	if (!no_arguments(s, args))
		return;
	str_puts(&out, "* CAPABILITY ");
	put_capabilities(s, &out);
	str_puts(&out, "\r\n");
	stream_write_span(s->stream, str_span(&out));
	say(s, s->tag, "OK Capability completed");
}

static void run_noop(struct session *s, struct imap_parse *args)
{
	if (no_arguments(s, args))
		say(s, s->tag, "OK Nothing done");
}

static void run_logout(struct session *s, struct imap_parse *args)
{
	if (!no_arguments(s, args))
		return;
	say(s, "*", "BYE Logging out");
	say(s, s->tag, "OK Logout completed");
	s->over = true;
}

/* RFC 2971: who we are; who they are goes to the log, where it helps with a client's faults. */
static void run_id(struct session *s, struct imap_parse *args)
{
	log_debug("client id=%s", log_qn(args->p, (unsigned long)(args->end - args->p)));
	say(s, "*", "ID (\"name\" \"Thurn\")");
	say(s, s->tag, "OK Id completed");
}

static void run_starttls(struct session *s, struct imap_parse *args)
{
	const char *err;
	if (!no_arguments(s, args))
		return;
	if (!login_has_tls(&s->login)) {
		bad(s, s->tag, "TLS is not available or active already");
		return;
	}
	say(s, s->tag, "OK Begin TLS negotiation");
	if (stream_flush(s->stream) != 0
		|| tls_start(s->stream, service_tls(s->login.conn->svc), NULL, &err) != 0)
		s->over = true;
}

/* The tagged reply after a login attempt; on success the session goes to imapd, which answers. */
static void conclude(struct session *s, enum login_result result)
{
	static const char *const replies[] = {
		[LOGIN_FAILED] = "NO [AUTHENTICATIONFAILED] Authentication failed",
		[LOGIN_TEMPFAIL] = "NO [UNAVAILABLE] Authentication is not possible now",
		[LOGIN_NEEDS_TLS] =
			"NO [PRIVACYREQUIRED] Use STARTTLS first: passwords are not taken in the clear",
		[LOGIN_BAD_MECHANISM] = "NO [CANNOT] This mechanism is not offered",
		[LOGIN_CANCELLED] = "BAD Authentication cancelled",
		[LOGIN_MALFORMED] = "BAD The answer is not base64",
	};
	enum login_end end = result == LOGIN_OK ? login_hand_over(&s->login, s->tag) : LOGIN_KEPT;
	if (result == LOGIN_GONE || end == LOGIN_PASSED)
		s->over = true;
	else
		say(s, s->tag, replies[result == LOGIN_OK ? LOGIN_TEMPFAIL : result]);
	if (end == LOGIN_LOST) {
		say(s, "*", "BYE [UNAVAILABLE] The session could not be begun; connect again");
		s->over = true;
	}
	if (result >= LOGIN_NEEDS_TLS && !s->over)
		count_bad(s);
	if (!s->over && login_is_hopeless(&s->login)) {
		say(s, "*", "BYE Too many failed logins");
		s->over = true;
	}
}

static void run_login(struct session *s, struct imap_parse *args)
{
	struct span user, password;
	if (!imap_parse_space(args) || !imap_parse_astring(args, &user) || !imap_parse_space(args)
		|| !imap_parse_astring(args, &password) || !imap_parse_end(args)) {
		bad(s, s->tag, args->err);
		return;
	}
	if (memchr(user.p, 0, user.n) || memchr(password.p, 0, password.n)) {
		bad(s, s->tag, "A NUL is not allowed");
		return;
	}
	char *secret = pool_span(s->pool, password);
	enum login_result result =
		login_password(&s->login, pool_span(s->pool, user), secret);
	explicit_bzero(secret, password.n);
	explicit_bzero((char *)(uintptr_t)password.p, password.n);
	conclude(s, result);
}

static void run_authenticate(struct session *s, struct imap_parse *args)
{
	struct span mechanism, initial = span_of("");
	bool has_initial = false;
	if (!imap_parse_space(args) || !imap_parse_atom(args, &mechanism)) {
		bad(s, s->tag, args->err);
		return;
	}
	if (imap_parse_skip(args, ' ')) {
		initial = span_make(args->p, (size_t)(args->end - args->p));
		has_initial = true;
	} else if (!imap_parse_end(args)) {
		bad(s, s->tag, args->err);
		return;
	}
	conclude(s, login_sasl(&s->login, pool_span(s->pool, mechanism),
			    has_initial ? &initial : NULL));
}

static const struct verb verbs[] = {
	{"CAPABILITY", run_capability},
	{"NOOP", run_noop},
	{"LOGOUT", run_logout},
	{"ID", run_id},
	{"STARTTLS", run_starttls},
	{"LOGIN", run_login},
	{"AUTHENTICATE", run_authenticate},
};

static void run_command(struct session *s, struct span text)
{
	struct imap_parse args;
	struct span tag, name;
	imap_parse_init(&args, text, s->pool);
	if (!imap_parse_tag(&args, &tag) || !imap_parse_space(&args)) {
		bad(s, "*", "A command begins with a tag");
		return;
	}
	s->tag = pool_span(s->pool, tag);
	if (!imap_parse_atom(&args, &name)) {
		bad(s, s->tag, "A command has a name");
		return;
	}
	for (size_t i = 0; i < COUNT_OF(verbs); i++)
		if (span_iis(name, verbs[i].name)) {
			verbs[i].run(s, &args);
			return;
		}
	bad(s, s->tag, "Unknown command, or log in first");
}

/* A command that broke a limit: answered by its tag if it got that far, for the client waits for it. */
static void refuse_command(struct session *s)
{
	struct imap_parse args;
	struct span tag;
	imap_parse_init(&args, str_span(&s->reader.text), s->pool);
	bool tagged = imap_parse_tag(&args, &tag) && imap_parse_space(&args);
	bad(s, tagged ? pool_span(s->pool, tag) : "*", s->reader.broke);
}

/* Collects one command; false when the connection is over. */
static bool read_command(struct session *s)
{
	struct span input;
	for (;;) {
		size_t used = 0;
		if (!stream_peek(s->stream, 1, &input))
			return false;
		enum imap_read rc = imap_reader_feed(&s->reader, input, &used);
		stream_consume(s->stream, used);
		if (rc == IMAP_READ_LITERAL) {
			bool sync = s->reader.sync;
			if (imap_reader_take(&s->reader)) {
				if (sync)
					say(s, "+", "OK");
				continue;
			}
			rc = imap_reader_feed(&s->reader, span_make(input.p, 0), &used);
		}
		if (rc == IMAP_READ_DONE)
			return true;
		if (rc == IMAP_READ_LIMIT || rc == IMAP_READ_LOST) {
			refuse_command(s);
			s->over |= rc == IMAP_READ_LOST;
			return !s->over;
		}
	}
}

static void greet(struct session *s)
{
	struct str out = STR_IN(s->pool);
	str_puts(&out, "* OK [CAPABILITY ");
	put_capabilities(s, &out);
	str_printf(&out, "] %s Thurn ready\r\n", s->login.conn->svc->common->hostname);
	stream_write_span(s->stream, str_span(&out));
}

/* The stream has given up; a plain client may still listen. */
static void say_timeout(struct stream *stream)
{
	static const char bye[] = "* BYE Time to log in is over\r\n";
	if (stream_state(stream) == STREAM_TIMEOUT && !stream_is_tls(stream) && !stream_pending(stream))
		send(stream_fd(stream), bye, sizeof(bye) - 1, MSG_DONTWAIT | MSG_NOSIGNAL);
}

static void serve(struct conn *conn)
{
	struct session s = {.stream = conn->stream, .pool = pool_new("command")};
	login_init(&s.login, conn, "imap", "imapd");
	imap_reader_init(&s.reader, LITERAL_MAX);
	s.reader.command_max = COMMAND_MAX;
	greet(&s);
	while (!s.over && !conn->svc->closing && read_command(&s)) {
		if (!s.reader.broke && s.reader.text.len)
			run_command(&s, str_span(&s.reader.text));
		imap_reader_reset(&s.reader);
		pool_reset(s.pool);
	}
	if (!s.over && conn->svc->closing)
		say(&s, "*", "BYE Server shutting down");
	say_timeout(conn->stream);
	stream_flush_try(conn->stream);
	login_fini(&s.login);
	imap_reader_fini(&s.reader);
	pool_free(&s.pool);
}

static const struct service imap_login = {
	.name = "imap_login",
	.tls = &tls_server,
	.conf_rows = login_conf_rows,
	.conf_size = sizeof(struct login_conf),
	.start_user = login_start,
	.serve = serve,
	.over_limit_reply = "* BYE [UNAVAILABLE] Too many connections from your address.\r\n",
	.too_busy_reply = "* BYE [UNAVAILABLE] Too many connections; try again later.\r\n",
};

int main(int argc, char **argv)
{
	return service_run(&imap_login, argc, argv);
}
