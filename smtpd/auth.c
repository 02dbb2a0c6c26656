/* AUTH (RFC 4954): base64 lines on this side, SASL messages to directoryd on the other. */
#include "base/codec.h"
#include "base/log.h"
#include "smtpd/session.h"

/* Failed logins on one connection, then it is closed. */
#define FAILURES_MAX 3

static const struct smtp_fault not_offered = {503, "5.5.1", "AUTH not available"};
static const struct smtp_fault already = {503, "5.5.1", "Already authenticated"};
static const struct smtp_fault unknown_mechanism = {504, "5.5.4", "Mechanism not available"};
static const struct smtp_fault needs_tls = {
	538, "5.7.11", "Encryption required for this mechanism"};
static const struct smtp_fault cancelled = {501, "5.7.0", "Authentication cancelled"};
static const struct smtp_fault bad_base64 = {501, "5.5.2", "The response is no base64"};
static const struct smtp_fault wrong = {535, "5.7.8", "Authentication credentials invalid"};
static const struct smtp_fault no_answer = {454, "4.7.0", "Temporary authentication failure"};

static bool is_offered(const char *list, const char *mechanism)
{
	struct span rest = span_of(list), word;
	while (span_split(&rest, ' ', &word))
		if (word.n && span_iis(word, mechanism))
			return true;
	return false;
}

static const struct smtp_fault *check(struct session *s, const char *mechanism)
{
	bool tls = stream_is_tls(s->stream);
	if (!s->mode->offers_auth || !s->esmtp)
		return &not_offered;
	if (s->user)
		return &already;
	if (!tls && mech_needs_tls(s->d, mechanism))
		return &needs_tls;
	const char *offered = mechs_offered(s->d, s->scratch, tls);
	if (!*offered)
		return &no_answer;
	return is_offered(offered, mechanism) ? NULL : &unknown_mechanism;
}

/* One challenge out, one line in. NULL, or the fault; the exchange is the caller's to cancel. */
static const struct smtp_fault *challenge(struct session *s, struct span data, struct str *answer)
{
	struct str text = STR_IN(s->scratch);
	struct span line;
	base64_put(&text, data);
	/* A challenge is as long as the mechanism makes it; reply lines are cut, so it is written
	 * here. */
	stream_puts(s->stream, "334 ");
	stream_write_span(s->stream, str_span(&text));
	stream_puts(s->stream, "\r\n");
	int rc = stream_read_line(s->stream, SMTP_AUTH_LINE_MAX, &line, NULL);
	if (rc == STREAM_TOO_LONG)
		return &bad_base64;
	if (rc != 1) {
		s->closing = true;
		return &cancelled;
	}
	str_reset(answer);
	rc = smtp_auth_line(line, answer);
	return rc == 0 ? NULL : rc == 1 ? &cancelled : &bad_base64;
}

static void failed(struct session *s, const char *mechanism, const char *why)
{
	log_info(
		"login failed ip=%s mechanism=%s text=%s", s->conn->peer_ip, mechanism, log_q(why));
	if (++s->auth_failures < FAILURES_MAX) {
		refuse(s, &wrong, "AUTH");
		return;
	}
	reply(s, wrong.code, wrong.status, wrong.text);
	reply_and_close(s, 421, "4.7.0", "Too many failed logins");
}

static void succeeded(struct session *s, const char *mechanism, const struct dir_auth_reply *r,
	uint64_t since)
{
	s->user = pool_strdup(s->conn->pool, r->user);
	s->secrets = false;
	auth_enter_as(s->d->accounts, r->user, r->account, since, &s->login);
	if (s->log)
		s->log->user = s->user;
	log_info("login ip=%s mechanism=%s tls=%s", s->conn->peer_ip, mechanism,
		s->tls ? log_q(s->tls) : "-");
	reply(s, 235, "2.7.0", "Authentication successful");
}

static const struct smtp_fault *state_fault(enum auth_state state)
{
	return state == AUTH_TEMPFAIL ? &no_answer : &unknown_mechanism;
}

static void exchange(struct session *s, const char *mechanism, const struct span *initial)
{
	const struct auth_request rq = {
		.mechanism = mechanism,
		.service = "smtp",
		.remote_ip = s->conn->peer_ip,
		.stream = s->stream,
		.assume_secure = s->d->conf->auth_plain_without_tls,
		.offers_binding = s->d->conf->auth_channel_binding,
		.initial = initial,
	};
	struct pool *pool = pool_new("auth");
	struct str answer = STR_IN(pool);
	struct auth *auth = NULL;
	struct dir_auth_reply r = {0};
	const struct smtp_fault *fault = NULL;
	uint64_t since = auth_changes(s->d->accounts);
	enum auth_state state = auth_start(s->d->auth, pool, &rq, &auth, &r);
	while (state == AUTH_CONTINUE && !(fault = challenge(s, r.data, &answer)))
		state = auth_step(&auth, pool, str_span(&answer), &r);
	if (auth)
		auth_cancel(&auth);
	if (answer.s)
		explicit_bzero(answer.s, answer.cap);
	if (state == AUTH_OK)
		succeeded(s, mechanism, &r, since);
	else if (state == AUTH_FAILED)
		failed(s, mechanism, r.text ? r.text : "");
	else
		refuse(s, fault ? fault : state_fault(state), "AUTH");
	pool_free(&pool);
}

void cmd_auth(struct session *s, struct span args)
{
	struct str initial = STR_IN(s->scratch);
	struct smtp_auth auth;
	const struct smtp_fault *fault = smtp_auth_parse(args, &initial, &auth);
	const char *mechanism = pool_span(s->scratch, auth.mechanism);
	if (!fault)
		fault = check(s, mechanism);
	if (fault) {
		refuse(s, fault, "AUTH");
		return;
	}
	struct span data = initial.s ? str_span(&initial) : SPAN_LIT("");
	exchange(s, mechanism, auth.has_initial ? &data : NULL);
	explicit_bzero((char *)args.p, args.n); /* our copy of the line */
	if (initial.s)
		explicit_bzero(initial.s, initial.cap);
}
