#include "imapd/session.h"

#include <sys/eventfd.h>
#include <sys/socket.h>

#include "imap/capability.h"
#include "imapd/command.h"
#include "imapd/watch.h"
#include "login/messages.h"

#define OUT_HIGH   (32 * 1024) /* from here on s->out goes to the stream */
#define BYE_MS     5000        /* for the last words */
#define BYE_PENDING_MAX 4096   /* a client that has not read that much gets none */
#define GONE_TEXT  "[CONTACTADMIN] This account is closed."

/* --- input and output --- */

bool session_is_dead(const struct session *s)
{
	enum stream_state state = stream_state(s->stream);

	return state == STREAM_ERROR || state == STREAM_TIMEOUT;
}

void session_push(struct session *s)
{
	stream_write_span(s->stream, str_span(&s->out));
	str_reset(&s->out);
}

bool session_flow(struct session *s)
{
	if (s->out.len >= OUT_HIGH)
		session_push(s);
	fiber_breathe();
	return !session_is_dead(s);
}

bool session_peek(struct session *s, struct span *in_r)
{
	session_push(s);
	if (s->input.n) {
		*in_r = s->input;
		return true;
	}
	s->waiting = true;
	bool there = stream_peek(s->stream, 1, in_r);
	s->waiting = false;
	return there;
}

void session_consume(struct session *s, size_t n)
{
	if (s->input.n)
		s->input = span_make(s->input.p + n, s->input.n - n);
	else
		stream_consume(s->stream, n);
}

bool session_has_input(struct session *s)
{
	return s->input.n || stream_has_input(s->stream);
}

int session_read(struct session *s)
{
	size_t used;
	/* With no input first: a literal that was refused may be the end of its command. */
	enum imap_read rc = imap_reader_feed(&s->reader, SPAN_LIT(""), &used);

	while (rc == IMAP_READ_MORE) {
		struct span in;
		if (!session_peek(s, &in))
			return -1;
		rc = imap_reader_feed(&s->reader, in, &used);
		session_consume(s, used);
	}
	return (int)rc;
}

void session_bye(struct session *s, const char *text, const char *reason)
{
	if (s->over)
		return;
	str_printf(&s->out, "* BYE %s\r\n", text);
	s->over = true;
	s->reason = reason;
}

void session_unselect(struct session *s)
{
	view_close(&s->view);
	s->mailbox = 0;
}

/* --- commands --- */

/* Memory goes back while nothing is to be done. */
static void rest(struct session *s)
{
	pool_reset(s->cmd_pool);
	if (session_has_input(s))
		return;
	session_push(s);
	str_fini(&s->out);
}

static void lost_client(struct session *s)
{
	s->over = true;
	if (s->reason)
		return;
	switch (stream_state(s->stream)) {
	case STREAM_TIMEOUT:
		s->reason = "timeout";
		break;
	case STREAM_EOF:
		s->reason = "disconnected";
		break;
	default:
		s->reason = stream_error(s->stream);
	}
}

/* A client that let its time pass is told, if it still listens: past the stream, which has given
 * up. */
static void say_autologout(struct session *s)
{
	static const char bye[] = "* BYE Autologout; idle for too long.\r\n";

	if (stream_state(s->stream) == STREAM_TIMEOUT && stream_pending(s->stream) == 0)
		send(stream_fd(s->stream), bye, sizeof(bye) - 1, MSG_DONTWAIT | MSG_NOSIGNAL);
}

static void run(struct session *s)
{
	while (!s->over) {
		rest(s);
		if (s->imapd->svc->closing) {
			session_bye(s, "Server shutting down.", "shutdown");
			break;
		}
		if (s->gone) {
			session_bye(s, GONE_TEXT, "account gone");
			break;
		}
		int rc = session_read(s);
		if (rc < 0) {
			lost_client(s);
			say_autologout(s);
			break;
		}
		s->commands++;
		command_run(s, (enum imap_read)rc);
		imap_reader_reset(&s->reader);
		service_count(s->imapd->svc, COUNT_COMMANDS, 1);
		if (s->account && account_is_stale(s->account))
			session_bye(s, "[UNAVAILABLE] The mail store failed; log in again.",
				"store failed");
	}
	session_push(s);
	stream_set_timeout(s->stream, BYE_MS);
	stream_flush(s->stream);
}

/* One whose fiber waits for the client: what it had to say is in the stream, whole. Others look by themselves, after their
 * command. */
static void dismiss(struct session *s, const char *text, const char *reason)
{
	if (!s->waiting || s->over)
		return;
	s->over = true;
	s->reason = reason;
	if (stream_pending(s->stream) < BYE_PENDING_MAX)
		stream_printf(s->stream, "* BYE %s\r\n", text);
	stream_flush_try(s->stream);
	shutdown(stream_fd(s->stream), SHUT_RD);
}

void session_stop_all(struct imapd *imapd)
{
	list_each (link, &imapd->sessions)
		dismiss(list_entry(link, struct session, link), "Server shutting down.", "shutdown");
}

static void account_gone(struct auth_login *login)
{
	struct session *s = container_of(login, struct session, login);

	s->gone = true;
	dismiss(s, GONE_TEXT, "account gone");
}

/* --- login --- */

static void answer(struct session *s, const struct login_handoff *h, const char *status,
	const char *code, const char *text)
{
	str_printf(&s->out, "%s %s [%s] %s\r\n", h->tag[0] ? h->tag : "*", status, code, text);
}

static void refuse(struct session *s, const struct login_handoff *h, const char *why)
{
	service_count(s->imapd->svc, COUNT_FAILED_LOGINS, 1);
	if (h->tag[0])
		answer(s, h, "NO", "UNAVAILABLE", why);
	session_bye(s, why, "login failed");
}

static bool redeem(struct session *s, const struct login_handoff *h, struct dir_redeem_reply *who)
{
	if (auth_enter(s->imapd->accounts, s->pool, h->ticket, "imap", &s->login, who))
		return true;
	refuse(s, h, "The login could not be completed; try again.");
	return false;
}

static void log_in(struct session *s, const struct login_handoff *h)
{
	struct dir_redeem_reply who = {0};
	struct str caps = STR_IN(s->cmd_pool);

	if (!redeem(s, h, &who))
		return;
	s->user = s->log.user = who.user;
	s->account_id = who.account;
	s->limits =
		(struct account_limits){.bytes = who.quota_bytes, .messages = who.quota_messages};
	enum store_status status =
		account_open(s->imapd->store, s->account_id, true, &s->limits, &s->account);
	if (status != STORE_OK) {
		log_error("The account can't be opened: %s account=%s", store_status_text(status),
			s->account_id);
		refuse(s, h, "The mail store is not available; try again later.");
		return;
	}
	str_puts(&caps, "CAPABILITY");
	imap_put_capabilities(&caps, IMAP_PHASE_AUTH, NULL, false, false);
	answer(s, h, h->tag[0] ? "OK" : "PREAUTH", str_c(&caps), "Logged in.");
}

/* --- life --- */

static struct session *session_new(struct conn *conn)
{
	struct session *s = pool_new_of(conn->pool, struct session);
	struct imapd *imapd = conn->svc->state;

	s->imapd = imapd;
	s->pool = conn->pool;
	s->cmd_pool = pool_new("command");
	s->separator = imapd->conf->separator[0];
	s->wake_fd = -1;
	s->login.gone = account_gone;
	imap_reader_init(&s->reader, imapd->conf->literal_max);
	list_add_tail(&imapd->sessions, &s->link);
	return s;
}

static void session_free(struct session *s)
{
	list_remove(&s->link);
	session_unselect(s);
	watch_leave(s);
	account_close(&s->account);
	auth_leave(s->imapd->accounts, &s->login);
	io_close(&s->wake_fd);
	stream_close(&s->stream);
	imap_reader_fini(&s->reader);
	str_fini(&s->out);
	pool_free(&s->cmd_pool);
}

/* Once there is an answer for the client. False: it is not ours, and never was. */
static bool take_client(struct session *s, struct conn *conn)
{
	const char *err;
	int client = handoff_take(&conn->fd, io_deadline(HANDOFF_MS), &err);

	if (client < 0) {
		log_warning("A session was not taken over: %s", err);
		return false;
	}
	s->stream = stream_new(client);
	stream_set_timeout(s->stream, s->imapd->conf->idle_timeout);
	return true;
}

static void serve_client(struct session *s, struct conn *conn, const struct login_handoff *h)
{
	log_in(s, h);
	if (!take_client(s, conn))
		return;
	service_count(s->imapd->svc, COUNT_SESSIONS, 1);
	if (s->account)
		log_info("login account=%s ip=%s tls=%s", s->account_id, log_q(h->peer_ip),
			h->tls ? "yes" : "no");
	session_push(s);
	stream_flush_try(s->stream);
	io_close(&conn->fd); /* the login program need not watch any longer */
	run(s);
	if (s->account)
		log_info("logout commands=%llu reason=%s", (unsigned long long)s->commands,
			log_q(s->reason ? s->reason : "logout"));
}

void session_serve(struct conn *conn)
{
	struct login_handoff h;
	const char *err, *who = service_uid_user(conn->svc, conn->peer_uid);

	if (!who || (strcmp(who, "login") != 0 && strcmp(who, "root") != 0)) {
		log_error("A session is refused: user id %d is no login program.",
			(int)conn->peer_uid);
		return;
	}
	if (handoff_receive(conn->fd, conn->pool, &h, io_deadline(HANDOFF_MS), &err) < 0) {
		log_warning("A session was not taken over: %s", err);
		return;
	}
	struct session *s = session_new(conn);
	s->log = (struct log_context){.session = h.session[0] ? h.session : conn->session};
	struct log_context *outer = log_context_swap(&s->log);
	s->input = h.input;
	/* A client with TLS stays a connection of its login program, which counts it. */
	if (!h.tls)
		service_address_hold(conn->svc, h.service, h.peer_ip);
	serve_client(s, conn, &h);
	if (!h.tls)
		service_address_release(conn->svc, h.service, h.peer_ip);
	session_free(s);
	log_context_swap(outer);
}
