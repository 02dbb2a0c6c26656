#include "smtpd/session.h"

#include <errno.h>
#include <sys/socket.h>

#include "base/clock.h"
#include "base/log.h"
#include "smtpd/local.h"
#include "smtpd/peer_name.h"

#define WORD_MAX 12 /* letters of what may have been meant as a command */
#define GONE_TEXT "The user who logged in is none any more"
#define BYE_PENDING_MAX 4096 /* a client that has not read that much hears no last word */

enum {
	CMD_NEEDS_TLS  = 1, /* where TLS is required */
	CMD_NEEDS_AUTH = 2, /* where a login is */
	CMD_HAS_BODY   = 4, /* octets follow that are no command: read even when it is refused */
};

struct verb_row {
	void (*run)(struct session *s, struct span args);
	unsigned modes;
	unsigned states;
	unsigned flags;
};
static const struct verb_row verb_rows[SMTP_VERBS];

static const struct smtp_fault say_hello = {503, "5.5.1", "Say hello first"};
static const struct smtp_fault need_mail = {503, "5.5.1", "MAIL first"};
static const struct smtp_fault need_rcpt = {503, "5.5.1", "RCPT first"};
static const struct smtp_fault no_rcpt_left = {554, "5.5.1", "No valid recipients"};
static const struct smtp_fault out_of_order = {503, "5.5.1", "Command out of order"};
static const struct smtp_fault nested_mail = {503, "5.5.1", "Nested MAIL command"};
static const struct smtp_fault not_here = {500, "5.5.1", "Command not available here"};
static const struct smtp_fault need_tls = {530, "5.7.0", "Must issue a STARTTLS command first"};
static const struct smtp_fault need_auth = {530, "5.7.0", "Authentication required"};
static const struct smtp_fault bare_end = {500, "5.5.2", "Lines end with CRLF"};
static const struct smtp_fault too_long = {500, "5.5.6", "Line too long"};

/* Why a command that this mode knows may not be said now. */
static const struct smtp_fault *state_fault(const struct session *s, enum smtp_verb verb)
{
	if (s->state == ST_START)
		return &say_hello;
	if (verb == SMTP_MAIL)
		return &nested_mail;
	if (verb == SMTP_RCPT && s->state == ST_READY)
		return &need_mail;
	if (verb != SMTP_DATA && verb != SMTP_BDAT)
		return &out_of_order;
	if (s->state == ST_READY)
		return &need_mail;
	if (s->state == ST_MAIL)
		return s->tx.refused ? &no_rcpt_left : &need_rcpt;
	return &out_of_order;
}

static const struct smtp_fault *policy_fault(const struct session *s, const struct verb_row *row)
{
	if ((row->flags & CMD_NEEDS_TLS) && s->d->conf->require_tls && s->d->tls &&
		!s->conn->is_unix && !stream_is_tls(s->stream))
		return &need_tls;
	if ((row->flags & CMD_NEEDS_AUTH) && s->mode->needs_auth && !s->user)
		return &need_auth;
	return NULL;
}

static bool is_word(struct span name)
{
	for (size_t i = 0; i < name.n; i++)
		if (!ascii_is_alpha((unsigned char)name.p[i]))
			return false;
	return name.n <= WORD_MAX;
}

/* What of a refused line the log may have. Behind AUTH stands a secret, and who did not wait for its refusal sends more of
 * them in lines of their own, which are no commands; of these it is never more than a word that could be one. */
static const char *loggable(struct session *s, const struct smtp_command *cmd, struct span line)
{
	if (cmd->verb == SMTP_AUTH)
		return "AUTH";
	if (cmd->verb != SMTP_UNKNOWN && cmd->verb != SMTP_ALIEN)
		return pool_span(s->scratch, line);
	return s->secrets || !is_word(cmd->name) ? "" : pool_span(s->scratch, cmd->name);
}

static void run_command(struct session *s, struct span line, bool crlf)
{
	struct smtp_command cmd;
	const struct smtp_fault *fault = smtp_command_parse(line, &cmd);
	const struct verb_row *row = &verb_rows[cmd.verb];
	if (cmd.verb == SMTP_AUTH)
		s->secrets = true;
	else if (cmd.verb != SMTP_UNKNOWN && cmd.verb != SMTP_ALIEN)
		s->secrets = false;
	if (cmd.verb == SMTP_ALIEN) {
		log_info("closed reason=\"no SMTP client\" ip=%s text=%s", s->conn->peer_ip,
			log_q(loggable(s, &cmd, line)));
		reply_and_close(s, 521, "5.5.1", "This is a mail server");
		return;
	}
	if (!crlf && s->d->conf->refuse_bare_lf)
		fault = &bare_end;
	else if (row->run && !(row->modes & s->mode->bit))
		fault = &not_here;
	else if (!fault)
		fault = policy_fault(s, row);
	if (!fault && !(row->states & s->state))
		fault = state_fault(s, cmd.verb);
	if (!fault)
		/* NOLINTNEXTLINE(clang-analyzer-core.CallAndMessage): what has no function came with a fault */
		row->run(s, cmd.args);
	else if (row->flags & CMD_HAS_BODY)
		bdat_refuse(s, cmd.args, fault);
	else
		refuse(s, fault, loggable(s, &cmd, line));
}

/* False when there is nothing more to read. */
static bool read_command(struct session *s)
{
	struct span line;
	bool crlf;
	s->parked = !(s->state & (ST_MAIL | ST_RCPT | ST_BDAT));
	int rc = stream_read_line(s->stream, SMTP_COMMAND_MAX, &line, &crlf);
	s->parked = false;
	if (s->gone && rc == 1)
		return true; /* hears why instead of an answer */
	if (rc == STREAM_TOO_LONG) {
		refuse(s, &too_long, "");
		return true;
	}
	if (rc != 1)
		return false;
	pool_reset(s->scratch);
	/* Commands keep spans of the line while they wait; the stream's buffer would move. */
	run_command(s, pool_copy(s->scratch, line), crlf);
	return true;
}

/* The stream is dead after a time-out; RFC 5321 4.5.3.2 still wants a word. */
static void say_timeout(struct session *s)
{
	static const char text[] = "421 4.4.2 Timeout, closing\r\n";
	if (stream_state(s->stream) == STREAM_TIMEOUT && !stream_is_tls(s->stream))
		send(stream_fd(s->stream), text, sizeof(text) - 1, MSG_DONTWAIT | MSG_NOSIGNAL);
}

static void commands(struct session *s)
{
	while (!s->closing) {
		if (s->gone) {
			reply_and_close(s, 421, "4.7.0", GONE_TEXT);
			break;
		}
		if (s->d->svc->closing && !(s->state & (ST_MAIL | ST_RCPT | ST_BDAT))) {
			reply_and_close(s, 421, "4.3.2", "Shutting down");
			break;
		}
		if (!read_command(s))
			break;
	}
	say_timeout(s);
	stream_flush(s->stream);
}

/* A client that talks before it is greeted is a program that will not listen to replies either. */
static bool is_hasty(struct session *s)
{
	char c;
	return s->mode->shy && !stream_is_tls(s->stream) &&
		recv(stream_fd(s->stream), &c, 1, MSG_PEEK | MSG_DONTWAIT) > 0;
}

static void greet(struct session *s)
{
	if (is_hasty(s)) {
		log_info("closed reason=\"talks before the greeting\" ip=%s", s->conn->peer_ip);
		reply_and_close(s, 554, "5.5.1", "Protocol error: wait for the greeting");
		return;
	}
	if (s->d->svc->closing)
		return;
	reply_printf(s, 220, NULL, "%s %s", s->d->common->hostname, s->mode->greeting);
}

void session_note_tls(struct session *s)
{
	struct tls_info info;
	tls_get_info(s->stream, &info);
	s->tls = pool_printf(s->conn->pool, "%s with cipher %s", info.protocol, info.cipher);
}

/* The last word to one whose fiber waits for the client, between messages; others look by themselves, after their
 * command. */
static void dismiss(struct session *s, const char *status, const char *text)
{
	if (!s->parked || s->closing)
		return;
	s->closing = true;
	if (stream_pending(s->stream) < BYE_PENDING_MAX) /* nobody may be waited for here */
		reply(s, 421, status, text);
	stream_flush_try(s->stream);
	shutdown(stream_fd(s->stream), SHUT_RD);
}

static void user_gone(struct auth_login *login)
{
	struct session *s = container_of(login, struct session, login);
	s->gone = true;
	dismiss(s, "4.7.0", GONE_TEXT);
}

static void init(struct session *s, struct conn *conn)
{
	struct smtpd *d = conn->svc->state;
	*s = (struct session){
		.d = d,
		.conn = conn,
		.stream = conn->stream,
		.mode = d->mode,
		.state = ST_START,
		.helo = "",
		.scratch = pool_new("smtp command"),
		.started = clock_mono_ms(),
	};
	list_init(&s->login.link);
	s->login.gone = user_gone;
	s->log = log_context_swap(NULL);
	log_context_swap(s->log);
	s->tx.pool = pool_new("smtp transaction");
	s->may_relay = d->mode->bit == MODE_LOCAL || conn->is_unix ||
		net_list_has(d->networks, (const struct sockaddr *)&conn->peer);
	list_add_tail(&d->sessions, &s->link);
	stream_set_timeout(s->stream, d->conf->command_timeout);
	s->deadline = io_deadline(d->conf->session_timeout);
	stream_set_deadline(s->stream, s->deadline);
}

static void fini(struct session *s)
{
	auth_leave(s->d->accounts, &s->login);
	transaction_reset(s);
	array_fini(&s->tx.rcpts);
	pool_free(&s->tx.pool);
	pool_free(&s->scratch);
	str_fini(&s->out);
	list_remove(&s->link);
}

void session_serve(struct conn *conn)
{
	struct session s;
	init(&s, conn);
	if (s.mode->bit == MODE_LOCAL) {
		s.user = local_user(conn->pool, conn->peer_uid);
		s.messenger = local_is_messenger(conn);
	}
	if (stream_is_tls(s.stream)) /* from the first octet */
		session_note_tls(&s);
	peer_name_ask(s.d->names, conn);
	greet(&s);
	commands(&s);
	log_debug("closed ip=%s messages=%llu errors=%llu ms=%lld", conn->peer_ip,
		(unsigned long long)s.messages, (unsigned long long)s.errors,
		(long long)(clock_mono_ms() - s.started));
	fini(&s);
}

void session_stop_all(struct smtpd *d)
{
	list_each (l, &d->sessions)
		dismiss(list_entry(l, struct session, link), "4.3.2", "Shutting down");
}

#define ALL  (MODE_SMTP | MODE_SUBMISSION | MODE_LMTP | MODE_LOCAL)
#define MTAS (MODE_SMTP | MODE_SUBMISSION | MODE_LOCAL)
#define NET  (MODE_SMTP | MODE_SUBMISSION | MODE_LMTP)
#define TLS_AND_AUTH (CMD_NEEDS_TLS | CMD_NEEDS_AUTH)

static const struct verb_row verb_rows[SMTP_VERBS] = {
	/*                 runs          in modes   in states            flags */
	[SMTP_HELO]     = {cmd_helo,     MTAS,      ST_ANY,              0},
	[SMTP_EHLO]     = {cmd_ehlo,     MTAS,      ST_ANY,              0},
	[SMTP_LHLO]     = {cmd_ehlo,     MODE_LMTP, ST_ANY,              0},
	[SMTP_STARTTLS] = {cmd_starttls, NET,       ST_START | ST_READY, 0},
	[SMTP_AUTH]     = {cmd_auth,     NET,       ST_READY,            0},
	[SMTP_MAIL]     = {cmd_mail,     ALL,       ST_READY,            TLS_AND_AUTH},
	[SMTP_RCPT]     = {cmd_rcpt,     ALL,       ST_MAIL | ST_RCPT,   TLS_AND_AUTH},
	[SMTP_DATA]     = {cmd_data,     ALL,       ST_RCPT,             TLS_AND_AUTH},
	[SMTP_BDAT]     = {cmd_bdat,     ALL,       ST_RCPT | ST_BDAT,   TLS_AND_AUTH | CMD_HAS_BODY},
	[SMTP_RSET]     = {cmd_rset,     ALL,       ST_ANY,              0},
	[SMTP_NOOP]     = {cmd_noop,     ALL,       ST_ANY,              0},
	[SMTP_QUIT]     = {cmd_quit,     ALL,       ST_ANY,              0},
	[SMTP_VRFY]     = {cmd_vrfy,     ALL,       ST_ANY,              TLS_AND_AUTH},
	[SMTP_EXPN]     = {cmd_expn,     ALL,       ST_ANY,              0},
	[SMTP_HELP]     = {cmd_help,     ALL,       ST_ANY,              0},
};
