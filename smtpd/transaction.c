/* A message from MAIL to its reply: the envelope, the text on its way to the spool, the trace
 * fields. */
#include "smtpd/session.h"

#include "base/clock.h"
#include "base/log.h"
#include "mail/header.h"
#include "mail/received.h"
#include "smtpd/peer_name.h"

/* The recipients' array is kept between messages up to this many. */
#define KEEP_RCPTS 64

static const struct smtp_fault too_big = {552, "5.3.4", "Message size exceeds fixed limit"};
static const struct smtp_fault bare = {
	550, "5.6.0", "Bare CR or LF in the message: lines end with CRLF"};
static const struct smtp_fault has_nul = {554, "5.6.0", "NUL in the message"};
static const struct smtp_fault long_line = {554, "5.6.0", "Line longer than 65536 octets"};
static const struct smtp_fault loop = {554, "5.4.6", "Too many Received fields: mail is looping"};
static const struct smtp_fault no_storage = {452, "4.3.1", "Insufficient system storage"};
static const struct smtp_fault write_failed = {451, "4.3.0", "The message can't be stored now"};

void transaction_start(struct session *s)
{
	transaction_reset(s);
	s->tx.trace = trace_id_make(clock_wall_us());
	if (s->log)
		s->log->trace = s->tx.trace.s;
}

void transaction_reset(struct session *s)
{
	struct transaction *tx = &s->tx;
	if (tx->body)
		submission_abort(&tx->body);
	if (tx->rcpts.cap > KEEP_RCPTS)
		array_fini(&tx->rcpts);
	array_reset(&tx->rcpts);
	if (tx->pool)
		pool_reset(tx->pool);
	tx->sender = NULL;
	tx->user = NULL;
	tx->refused = 0;
	tx->beyond = 0;
	tx->fault = NULL;
	if (s->log)
		s->log->trace = NULL;
	s->state = *s->helo ? ST_READY : ST_START;
}

void transaction_write(struct session *s, struct span run)
{
	struct transaction *tx = &s->tx;
	if (!tx->body)
		return;
	if (tx->data.size > s->d->common->message_size_limit)
		tx->fault = &too_big;
	else if (submission_write(tx->body, run.p, run.n) < 0)
		tx->fault = &write_failed;
	if (tx->fault)
		submission_abort(&tx->body);
}

static const struct smtp_fault *text_fault(const struct session *s)
{
	const struct transaction *tx = &s->tx;
	if (tx->fault)
		return tx->fault;
	if (tx->data.seen & SMTP_SEEN_NUL)
		return &has_nul;
	if ((tx->data.seen & (SMTP_SEEN_BARE_CR | SMTP_SEEN_BARE_LF)) && s->d->conf->refuse_bare_lf)
		return &bare;
	if (tx->data.seen & SMTP_SEEN_LONG_LINE)
		return &long_line;
	if (received_count(submission_head(tx->body)) >= s->d->common->hop_limit)
		return &loop;
	return NULL;
}

static unsigned received_flags(const struct session *s)
{
	return (s->esmtp ? RECEIVED_ESMTP : 0) | (s->tls ? RECEIVED_TLS : 0) |
		(s->tx.user && s->mode->bit != MODE_LOCAL ? RECEIVED_AUTH : 0) |
		(s->mode->bit == MODE_LMTP ? RECEIVED_LMTP : 0) |
		(s->tx.mail.smtputf8 ? RECEIVED_UTF8 : 0) |
		(s->mode->bit == MODE_LOCAL ? RECEIVED_LOCAL : 0);
}

static void put_trace(struct session *s, struct str *out)
{
	const struct transaction *tx = &s->tx;
	struct received r = {
		.flags = received_flags(s),
		.helo = s->helo,
		.host = peer_name_find(s->d->names, s->tx.pool, s->conn->peer_ip),
		.ip = s->conn->peer_ip,
		.by = s->d->common->hostname,
		.tls = s->tls,
		.auth = tx->user,
		.id = tx->trace.s,
		.for_address = tx->rcpts.n == 1 ? tx->rcpts.v[0].address : NULL,
		.date = date_now(),
	};
	received_put(out, &r);
}

/* RFC 6409 8: what a client of ours left out. */
static void put_missing(struct session *s, struct str *out)
{
	struct span head = submission_head(s->tx.body), value;
	if (!header_find(head, "Message-ID", &value))
		str_printf(out, "Message-ID: <%s@%s>\r\n", s->tx.trace.s, s->d->common->hostname);
	if (!header_find(head, "Date", &value)) {
		struct date now = date_now();
		str_puts(out, "Date: ");
		date_put(out, &now);
		str_puts(out, "\r\n");
	}
}

static void fill_envelope(const struct session *s, struct envelope *e)
{
	const struct transaction *tx = &s->tx;
	*e = (struct envelope){
		.trace = tx->trace,
		.arrival_us = clock_wall_us(),
		.sender = tx->sender,
		.recipients = tx->rcpts.v,
		.nrecipient = tx->rcpts.n,
		.envid = tx->mail.envid,
		.ret = tx->mail.ret,
		.body = tx->mail.body,
		.smtputf8 = tx->mail.smtputf8,
		.channel = s->mode->name,
		.auth_user = tx->user,
		.remote_host = peer_name_find(s->d->names, s->tx.pool, s->conn->peer_ip),
		.remote_ip = s->conn->peer_ip,
		.helo = s->helo,
		.protocol = received_with(received_flags(s)),
	};
}

/* 250 is said only after this returned NULL: the message is on the medium. */
static const struct smtp_fault *commit(struct session *s, uint64_t *size_r)
{
	struct str prefix = STR_IN(s->tx.pool);
	struct envelope env;
	const char *err = "";
	put_trace(s, &prefix);
	if (s->mode->completes_header)
		put_missing(s, &prefix);
	fill_envelope(s, &env);
	*size_r = submission_size(s->tx.body) + prefix.len;
	enum submit_status status = submission_commit(&s->tx.body, &env, str_span(&prefix), &err);
	if (status == SUBMIT_OK)
		return NULL;
	log_error("message can't be stored text=%s", log_q(err));
	return status == SUBMIT_DISK_FULL ? &no_storage : &write_failed;
}

static void log_accepted(const struct session *s, uint64_t size)
{
	const struct transaction *tx = &s->tx;
	log_info("accepted from=%s to=%s nrcpt=%zu size=%llu ip=%s helo=%s proto=%s auth=%s tls=%s",
		log_q(tx->sender), log_q(tx->rcpts.v[0].address), tx->rcpts.n,
		(unsigned long long)size, s->conn->peer_ip, log_q(s->helo),
		received_with(received_flags(s)), s->tx.user ? log_q(s->tx.user) : "-", s->tls ? log_q(s->tls) : "-");
}

/* RFC 2033 4.2: one reply for each recipient that was accepted. */
static void answer(struct session *s, const struct smtp_fault *fault)
{
	const struct transaction *tx = &s->tx;
	if (!s->mode->reply_each) {
		if (fault)
			refuse(s, fault, "message");
		else
			reply_printf(s, 250, "2.0.0", "Ok: queued as %s", tx->trace.s);
		return;
	}
	for (size_t i = 0; i < tx->rcpts.n; i++) {
		const char *to = tx->rcpts.v[i].address;
		if (!fault)
			reply_printf(s, 250, "2.0.0", "<%s> Ok: queued as %s", to, tx->trace.s);
		else if (i + 1 < tx->rcpts.n)
			reply_printf(s, fault->code, fault->status, "<%s> %s", to, fault->text);
		else
			refuse_printf(s, fault->code, fault->status, "message", "<%s> %s", to,
				fault->text);
		pool_reset(s->scratch);
		fiber_breathe();
	}
}

void transaction_finish(struct session *s)
{
	uint64_t size = 0;
	const struct smtp_fault *fault = text_fault(s);
	if (!fault)
		fault = commit(s, &size);
	s->messages++;
	if (!fault) {
		log_accepted(s, size);
		s->errors = 0; /* lists meet many unknown users, but bring mail */
	}
	answer(s, fault);
	transaction_reset(s);
}
